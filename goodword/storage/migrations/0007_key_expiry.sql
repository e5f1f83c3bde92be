-- when a key ends by itself, epoch milliseconds
ALTER TABLE api_key ADD COLUMN expires_at INTEGER;

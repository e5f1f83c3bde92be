-- the console's own people; what names them, their password's hash and their second factor are in the sealed doc
CREATE TABLE console_user (id TEXT PRIMARY KEY, account_id INTEGER NOT NULL, email BLOB NOT NULL, doc BLOB NOT NULL) WITHOUT ROWID;
CREATE UNIQUE INDEX console_user_email ON console_user (email);
CREATE TABLE console_session (
  hash BLOB PRIMARY KEY, account_id INTEGER NOT NULL, user_id TEXT NOT NULL, created_at INTEGER NOT NULL, seen_at INTEGER NOT NULL,
  doc BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX console_session_user ON console_session (user_id);
CREATE TABLE console_link (
  hash BLOB PRIMARY KEY, account_id INTEGER NOT NULL, user_id TEXT NOT NULL, expires_at INTEGER NOT NULL, used_at INTEGER) WITHOUT ROWID;
CREATE TABLE console_audit (
  account_id INTEGER NOT NULL, id INTEGER NOT NULL, at INTEGER NOT NULL, user_id TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL,
  detail TEXT NOT NULL, PRIMARY KEY (account_id, id)) WITHOUT ROWID;

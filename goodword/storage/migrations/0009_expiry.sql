-- how far an account's log has expired: of what came up to there rows are left that a dedup key, a campaign or a person's past need
CREATE TABLE expiry (account_id INTEGER PRIMARY KEY, upto INTEGER NOT NULL, at INTEGER NOT NULL);
-- what the events that went counted for, as in `tally`
CREATE TABLE removed_tally (
  account_id INTEGER NOT NULL, day INTEGER NOT NULL, type INTEGER NOT NULL, name TEXT NOT NULL, currency TEXT NOT NULL,
  count INTEGER NOT NULL, duplicates INTEGER NOT NULL, amount INTEGER NOT NULL,
  PRIMARY KEY (account_id, day, type, name, currency)) WITHOUT ROWID;
-- months of the log that a file holds; `digest` is the file's SHA-256
CREATE TABLE archive (
  account_id INTEGER NOT NULL, upto INTEGER NOT NULL, after INTEGER NOT NULL, month TEXT NOT NULL, file TEXT NOT NULL,
  events INTEGER NOT NULL, size INTEGER NOT NULL, digest BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (account_id, upto)) WITHOUT ROWID;

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE account (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL, settings TEXT NOT NULL);
CREATE TABLE api_key (
  account_id INTEGER NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, hash BLOB NOT NULL, hint TEXT NOT NULL, scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL, revoked_at INTEGER, last_used_at INTEGER, signing_secret BLOB,
  PRIMARY KEY (account_id, id)) WITHOUT ROWID;
-- the log: every accepted message, numbered in order of commit
CREATE TABLE event (
  arrival INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, hash BLOB NOT NULL, profile_id INTEGER NOT NULL, type INTEGER NOT NULL,
  name TEXT NOT NULL, at INTEGER NOT NULL, received_at INTEGER NOT NULL, flags INTEGER NOT NULL, duplicate_of INTEGER,
  amount INTEGER, currency TEXT, body BLOB NOT NULL);
CREATE TABLE person_event (
  account_id INTEGER NOT NULL, profile_id INTEGER NOT NULL, arrival INTEGER NOT NULL,
  PRIMARY KEY (account_id, profile_id, arrival)) WITHOUT ROWID;
-- `bits` is the partition's filter, whole while `bits_rows` equals `rows`
CREATE TABLE message_partition (
  number INTEGER PRIMARY KEY, rows INTEGER NOT NULL, last_at INTEGER NOT NULL, bits_rows INTEGER, bits BLOB);
CREATE TABLE fold (kind INTEGER NOT NULL, bucket INTEGER NOT NULL, upto INTEGER NOT NULL, PRIMARY KEY (kind, bucket)) WITHOUT ROWID;
CREATE TABLE profile (id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, doc BLOB NOT NULL);
CREATE TABLE identity (
  account_id INTEGER NOT NULL, key BLOB NOT NULL, profile_id INTEGER, barrier_at INTEGER NOT NULL,
  PRIMARY KEY (account_id, key)) WITHOUT ROWID;
CREATE TABLE claim (
  account_id INTEGER NOT NULL, key BLOB NOT NULL, arrival INTEGER NOT NULL, PRIMARY KEY (account_id, key)) WITHOUT ROWID;
CREATE TABLE merged (
  account_id INTEGER NOT NULL, source INTEGER NOT NULL, target INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (account_id, source)) WITHOUT ROWID;
CREATE INDEX merged_target ON merged (account_id, target);
CREATE TABLE audience (
  account_id INTEGER NOT NULL, name TEXT NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (account_id, name)) WITHOUT ROWID;
CREATE TABLE membership (
  account_id INTEGER NOT NULL, audience TEXT NOT NULL, profile_id INTEGER NOT NULL, since INTEGER NOT NULL,
  PRIMARY KEY (account_id, audience, profile_id)) WITHOUT ROWID;
-- messages that left no event: refused, dropped, repeated; nothing here names a person
CREATE TABLE receipt (
  account_id INTEGER NOT NULL, arrival INTEGER NOT NULL, received_at INTEGER NOT NULL, verdict TEXT NOT NULL, type TEXT NOT NULL,
  reason TEXT NOT NULL, door TEXT NOT NULL, refers INTEGER NOT NULL, shape TEXT NOT NULL,
  PRIMARY KEY (account_id, arrival)) WITHOUT ROWID;
-- what dashboards read: a row a day and name, by the event's own day
CREATE TABLE tally (
  account_id INTEGER NOT NULL, day INTEGER NOT NULL, type INTEGER NOT NULL, name TEXT NOT NULL, currency TEXT NOT NULL,
  count INTEGER NOT NULL, duplicates INTEGER NOT NULL, amount INTEGER NOT NULL,
  PRIMARY KEY (account_id, day, type, name, currency)) WITHOUT ROWID;
CREATE TABLE erasure (
  account_id INTEGER NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, profiles INTEGER NOT NULL, keys INTEGER NOT NULL,
  suppressed INTEGER NOT NULL, PRIMARY KEY (account_id, id)) WITHOUT ROWID;

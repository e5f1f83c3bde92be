-- on PostgreSQL only: what nodes that share a database need of each other.
-- `place` is an account's turn: whoever writes for it holds its row. The last place in its log, how often its settings changed, and how
-- often somebody was deleted. Account 0 is the installation.
CREATE TABLE place (
  account_id INTEGER PRIMARY KEY, arrival INTEGER NOT NULL, settings INTEGER NOT NULL, erased INTEGER NOT NULL);
-- the last transaction of each node in an account, by which a commit whose answer was lost is recognised
CREATE TABLE mark (
  account_id INTEGER NOT NULL, node INTEGER NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (account_id, node));
-- who does a piece of work that only one node may do at a time, and until when, by the database's clock
CREATE TABLE lease (
  account_id INTEGER NOT NULL, work TEXT NOT NULL, node INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (account_id, work));
-- message ids: what the embedded database folds
CREATE TABLE message (
  account_id INTEGER NOT NULL, hash BLOB NOT NULL, arrival INTEGER NOT NULL, PRIMARY KEY (account_id, hash));

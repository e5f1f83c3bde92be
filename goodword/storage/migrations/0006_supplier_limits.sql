-- what suppliers with a limit an hour or a day gave, counted by hour
CREATE TABLE given (
  account_id INTEGER NOT NULL, supplier_id TEXT NOT NULL, hour INTEGER NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (account_id, supplier_id, hour)) WITHOUT ROWID;

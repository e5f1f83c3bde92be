-- What rules said, once for all rows of which they said the same: `ruling` names it where `rules` is empty (storage/ruling.py).
CREATE TABLE ruling (account_id INTEGER NOT NULL, id BLOB NOT NULL, rules TEXT NOT NULL, PRIMARY KEY (account_id, id));
ALTER TABLE judgement ADD COLUMN ruling BLOB;
ALTER TABLE reward ADD COLUMN ruling BLOB;

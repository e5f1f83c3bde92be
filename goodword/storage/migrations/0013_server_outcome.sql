-- Since when servers of an account say outcomes: what only a browser said stands out from then on. Before, `meta` knew whether they do.
CREATE TABLE server_outcome (account_id INTEGER NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (account_id));
INSERT INTO server_outcome SELECT CAST(substr(name, 17) AS INTEGER), 1 FROM meta WHERE name LIKE 'server_outcomes %';

-- what bodies are compressed with, learned from the installation's own messages; sealed, and kept for as long as a body may need it
CREATE TABLE dictionary (number INTEGER PRIMARY KEY, arrival INTEGER NOT NULL, bytes BLOB NOT NULL);

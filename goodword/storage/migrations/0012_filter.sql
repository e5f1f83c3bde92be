-- The filter of a partition of message ids, whole while its `rows` are the partition's. It has a table of its own because it is large, and
-- whoever changes a row reads all of it: the columns `bits` and `bits_rows` of message_partition are emptied with its next change.
CREATE TABLE message_filter (number INTEGER PRIMARY KEY, rows INTEGER NOT NULL, bits BLOB NOT NULL);
INSERT INTO message_filter SELECT number, bits_rows, bits FROM message_partition WHERE bits_rows = rows AND bits IS NOT NULL;

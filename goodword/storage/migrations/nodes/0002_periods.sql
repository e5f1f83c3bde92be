-- The log and its indexes in partitions by place, a period each (`storage/partition.py`). What there was is period 0. A place has its
-- period in it, so that no key needs another column, and older nodes write on meanwhile.
ALTER TABLE event RENAME TO event_p0;
CREATE TABLE event (LIKE event_p0, PRIMARY KEY (account_id, arrival)) PARTITION BY RANGE (arrival);
ALTER TABLE event ATTACH PARTITION event_p0 FOR VALUES FROM (0) TO (100000000000);
ALTER TABLE person_event RENAME TO person_event_p0;
CREATE TABLE person_event (LIKE person_event_p0, PRIMARY KEY (account_id, profile_id, arrival)) PARTITION BY RANGE (arrival);
ALTER TABLE person_event ATTACH PARTITION person_event_p0 FOR VALUES FROM (0) TO (100000000000);
-- a message id is one of its period; that it is one of all periods is settled by turns, as before
ALTER TABLE message RENAME TO message_p0;
CREATE TABLE message (LIKE message_p0) PARTITION BY RANGE (arrival);
ALTER TABLE message ATTACH PARTITION message_p0 FOR VALUES FROM (0) TO (100000000000);

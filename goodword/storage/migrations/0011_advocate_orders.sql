-- Who brought how many friends is read from these alone: of some days in the order of days, of many in that of advocates, where their sums
-- need no sorting. Likewise who was an advocate in some months.
DROP INDEX advocate_brought;
CREATE INDEX advocate_brought ON advocate_tally (account_id, day, advocate_id, unit, friends, outcomes, amount)
  WHERE outcomes <> 0 OR friends <> 0;
CREATE INDEX advocate_order ON advocate_tally (account_id, advocate_id, day, unit, friends, outcomes, amount)
  WHERE outcomes <> 0 OR friends <> 0;
CREATE INDEX advocate_months ON advocate_month (account_id, advocate_id, month);

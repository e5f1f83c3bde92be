-- The tallies of whole months, so that a year is read as twelve months: `month` is the first day of it. An advocate is in a month who made a
-- link, shared, or was followed in it.
CREATE TABLE referral_month (
  account_id INTEGER NOT NULL, month INTEGER NOT NULL, measure TEXT NOT NULL, campaign_id TEXT NOT NULL, detail TEXT NOT NULL,
  origin TEXT NOT NULL, quality TEXT NOT NULL, unit TEXT NOT NULL, count INTEGER NOT NULL, amount INTEGER NOT NULL,
  PRIMARY KEY (account_id, month, measure, campaign_id, detail, origin, quality, unit)) WITHOUT ROWID;
CREATE TABLE advocate_month (
  account_id INTEGER NOT NULL, month INTEGER NOT NULL, advocate_id INTEGER NOT NULL,
  PRIMARY KEY (account_id, month, advocate_id)) WITHOUT ROWID;
-- who brought anything is found without looking at everybody who shared
CREATE INDEX advocate_brought ON advocate_tally (account_id, day) WHERE outcomes <> 0 OR friends <> 0;
-- the first day of a day's month, from the day's number alone (the days of a year are counted from March)
CREATE TEMP TABLE month_of AS
  WITH e AS (SELECT DISTINCT day FROM (SELECT day FROM referral_tally UNION ALL SELECT day FROM advocate_tally) days),
  f AS (SELECT day, (day + 719468) % 146097 AS doe FROM e),
  g AS (SELECT day, doe, (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365 AS yoe FROM f),
  h AS (SELECT day, doe - (365 * yoe + yoe / 4 - yoe / 100) AS doy FROM g)
  SELECT day, day - (doy - (153 * ((5 * doy + 2) / 153) + 2) / 5) AS month FROM h;
INSERT INTO referral_month
  SELECT t.account_id, m.month, t.measure, t.campaign_id, t.detail, t.origin, t.quality, t.unit, sum(t.count), sum(t.amount)
  FROM referral_tally t JOIN month_of m ON m.day = t.day GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
INSERT INTO advocate_month
  SELECT DISTINCT t.account_id, m.month, t.advocate_id FROM advocate_tally t JOIN month_of m ON m.day = t.day
  WHERE t.links + t.shares + t.clicks > 0;
DROP TABLE month_of;

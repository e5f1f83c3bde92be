-- What a judged event counts for stands in its row, so that every tally below is a recount of rows. Of events judged before, the time and
-- the value are the event's own; where their click came from is not known.
ALTER TABLE judgement ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE judgement ADD COLUMN amount INTEGER;
ALTER TABLE judgement ADD COLUMN currency TEXT;
ALTER TABLE judgement ADD COLUMN origin TEXT NOT NULL DEFAULT '';
ALTER TABLE judgement ADD COLUMN is_new INTEGER NOT NULL DEFAULT 0;
ALTER TABLE click ADD COLUMN origin TEXT NOT NULL DEFAULT '';
ALTER TABLE share ADD COLUMN quality TEXT NOT NULL DEFAULT 'HIGH';
UPDATE judgement SET
  at = coalesce((SELECT e.at FROM event e WHERE e.arrival = judgement.arrival), judged_at),
  amount = (SELECT e.amount FROM event e WHERE e.arrival = judgement.arrival),
  currency = (SELECT e.currency FROM event e WHERE e.arrival = judgement.arrival);
CREATE INDEX judgement_at ON judgement (account_id, at);
CREATE INDEX reward_created ON reward (account_id, created_at);
-- referrals, by day; `detail` is the channel of a share and the reason of a credit, `origin` where the click came from
CREATE TABLE referral_tally (
  account_id INTEGER NOT NULL, day INTEGER NOT NULL, measure TEXT NOT NULL, campaign_id TEXT NOT NULL, detail TEXT NOT NULL,
  origin TEXT NOT NULL, quality TEXT NOT NULL, unit TEXT NOT NULL, count INTEGER NOT NULL, amount INTEGER NOT NULL,
  PRIMARY KEY (account_id, day, measure, campaign_id, detail, origin, quality, unit)) WITHOUT ROWID;
-- what an advocate did and brought, by day; of deleted people the number stays, which finds nobody
CREATE TABLE advocate_tally (
  account_id INTEGER NOT NULL, day INTEGER NOT NULL, advocate_id INTEGER NOT NULL, unit TEXT NOT NULL, links INTEGER NOT NULL,
  shares INTEGER NOT NULL, clicks INTEGER NOT NULL, sign_ups INTEGER NOT NULL, outcomes INTEGER NOT NULL, friends INTEGER NOT NULL,
  amount INTEGER NOT NULL, PRIMARY KEY (account_id, day, advocate_id, unit)) WITHOUT ROWID;
-- rewards: `count` and `value` by the day they were earned and the state they are in, `moves` by the day they came to a state (unit '')
CREATE TABLE reward_tally (
  account_id INTEGER NOT NULL, day INTEGER NOT NULL, campaign_id TEXT NOT NULL, supplier_id TEXT NOT NULL, role TEXT NOT NULL,
  state TEXT NOT NULL, unit TEXT NOT NULL, count INTEGER NOT NULL, value INTEGER NOT NULL, moves INTEGER NOT NULL,
  PRIMARY KEY (account_id, day, campaign_id, supplier_id, role, state, unit)) WITHOUT ROWID;
-- how many people, each once a period; `start` is the period's first day
CREATE TABLE people_tally (
  account_id INTEGER NOT NULL, role TEXT NOT NULL, period TEXT NOT NULL, start INTEGER NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (account_id, role, period, start)) WITHOUT ROWID;
INSERT INTO referral_tally
  SELECT account_id, at / 86400000, 'click', campaign_id, '', origin, CASE counted WHEN 1 THEN 'HIGH' ELSE 'LOW' END, '', count(*), 0
  FROM click GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
INSERT INTO referral_tally
  SELECT account_id, at / 86400000, 'share', campaign_id, channel, '', quality, '', sum(max(recipients, 1)), 0
  FROM share GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
INSERT INTO referral_tally
  SELECT account_id, at / 86400000, kind, campaign_id, reason, origin, CASE review WHEN 'open' THEN 'REVIEW' ELSE quality END,
    coalesce(currency, ''), count(*), coalesce(sum(amount), 0)
  FROM judgement WHERE advocate_id IS NOT NULL AND quality <> 'NONE' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
INSERT INTO reward_tally
  SELECT account_id, created_at / 86400000, campaign_id, supplier_id, role, state, unit, count(*), sum(value), 0
  FROM reward GROUP BY 1, 2, 3, 4, 5, 6, 7;
INSERT INTO reward_tally
  SELECT t.account_id, t.at / 86400000, r.campaign_id, r.supplier_id, r.role, t.after, '', 0, 0, count(*)
  FROM reward_transition t JOIN reward r ON r.account_id = t.account_id AND r.id = t.reward_id
  WHERE t.success = 1 AND t.before <> t.after GROUP BY 1, 2, 3, 4, 5, 6;
INSERT INTO advocate_tally
  SELECT account_id, day, advocate_id, unit, sum(links), sum(shares), sum(clicks), sum(sign_ups), sum(outcomes), sum(friends), sum(amount)
  FROM (
    SELECT account_id, created_at / 86400000 AS day, profile_id AS advocate_id, '' AS unit, 1 AS links, 0 AS shares, 0 AS clicks,
      0 AS sign_ups, 0 AS outcomes, 0 AS friends, 0 AS amount FROM shareable WHERE profile_id <> 0
    UNION ALL SELECT account_id, at / 86400000, profile_id, '', 0, max(recipients, 1), 0, 0, 0, 0, 0 FROM share
    UNION ALL SELECT account_id, at / 86400000, advocate_id, '', 0, 0, 1, 0, 0, 0, 0 FROM click WHERE counted = 1
    UNION ALL SELECT account_id, at / 86400000, advocate_id, '', 0, 0, 0, 1, 0, 0, 0 FROM judgement
      WHERE kind = 'sign_up' AND advocate_id IS NOT NULL AND quality <> 'NONE'
    UNION ALL SELECT account_id, at / 86400000, advocate_id, coalesce(currency, ''), 0, 0, 0, 0, 1, 0, coalesce(amount, 0) FROM judgement
      WHERE kind = 'outcome' AND advocate_id IS NOT NULL AND quality = 'HIGH' AND review <> 'open'
    UNION ALL SELECT account_id, day, advocate_id, '', 0, 0, 0, 0, 0, count, 0 FROM credited)
  GROUP BY 1, 2, 3, 4;

-- campaigns: documents hold no personal data; history is a JSON array of [at, state, version]
CREATE TABLE campaign (
  account_id INTEGER NOT NULL, id TEXT NOT NULL, program TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  latest INTEGER NOT NULL, history TEXT NOT NULL, PRIMARY KEY (account_id, id)) WITHOUT ROWID;
CREATE TABLE campaign_version (
  account_id INTEGER NOT NULL, campaign_id TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, author TEXT NOT NULL,
  note TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (account_id, campaign_id, number)) WITHOUT ROWID;
-- share links: `code` and `slot` are keyed hashes; the rest is sealed with the owner's key. A deleted owner's code stays reserved:
-- profile_id 0 and an empty body
CREATE TABLE shareable (
  account_id INTEGER NOT NULL, code BLOB NOT NULL, slot BLOB, profile_id INTEGER NOT NULL, program TEXT NOT NULL,
  created_at INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (account_id, code)) WITHOUT ROWID;
CREATE UNIQUE INDEX shareable_slot ON shareable (account_id, slot) WHERE slot IS NOT NULL;
CREATE INDEX shareable_person ON shareable (account_id, profile_id);
-- clicks: ids grow with time; ip, agent, device are short keyed hashes, nothing here names anyone
CREATE TABLE click (
  account_id INTEGER NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, advocate_id INTEGER NOT NULL, program TEXT NOT NULL,
  campaign_id TEXT NOT NULL, code BLOB NOT NULL, counted INTEGER NOT NULL, recent INTEGER NOT NULL, ip TEXT NOT NULL,
  evidence TEXT NOT NULL,
  PRIMARY KEY (account_id, id)) WITHOUT ROWID;
CREATE INDEX click_ip ON click (account_id, ip, at) WHERE ip <> '' AND counted = 1;
CREATE INDEX click_advocate ON click (account_id, advocate_id, at);
-- acts of sharing, sealed with the advocate's key; recipients by keyed hash of their address, for match-back
CREATE TABLE share (
  account_id INTEGER NOT NULL, id INTEGER NOT NULL, profile_id INTEGER NOT NULL, at INTEGER NOT NULL, channel TEXT NOT NULL,
  program TEXT NOT NULL, campaign_id TEXT NOT NULL, recipients INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (account_id, id)) WITHOUT ROWID;
CREATE INDEX share_person ON share (account_id, profile_id, at);
CREATE TABLE share_recipient (
  account_id INTEGER NOT NULL, email BLOB NOT NULL, share_id INTEGER NOT NULL, PRIMARY KEY (account_id, email, share_id)) WITHOUT ROWID;
CREATE INDEX share_recipient_share ON share_recipient (account_id, share_id);
-- a person's touches and steps, sealed with the person's key
CREATE TABLE journey (
  account_id INTEGER NOT NULL, profile_id INTEGER NOT NULL, doc BLOB NOT NULL, PRIMARY KEY (account_id, profile_id)) WITHOUT ROWID;
-- who referred whom, by profile number; the one that stands now has displaced_at NULL
CREATE TABLE relationship (
  account_id INTEGER NOT NULL, friend_id INTEGER NOT NULL, program TEXT NOT NULL, advocate_id INTEGER NOT NULL, campaign_id TEXT NOT NULL,
  reason TEXT NOT NULL, at INTEGER NOT NULL, updated_at INTEGER NOT NULL, displaced_at INTEGER, cause INTEGER NOT NULL, alike BLOB,
  PRIMARY KEY (account_id, friend_id, program, advocate_id)) WITHOUT ROWID;
-- `alike` is a keyed hash of what the friend's address looks like
CREATE INDEX relationship_alike ON relationship (account_id, alike) WHERE alike IS NOT NULL;
CREATE INDEX relationship_advocate ON relationship (account_id, advocate_id, updated_at);
-- how an event was judged in a campaign, by which version; `rules` is a JSON array of [rule, result, why, until]
CREATE TABLE judgement (
  account_id INTEGER NOT NULL, arrival INTEGER NOT NULL, campaign_id TEXT NOT NULL, version INTEGER NOT NULL, program TEXT NOT NULL,
  kind TEXT NOT NULL, friend_id INTEGER NOT NULL, advocate_id INTEGER, reason TEXT NOT NULL, ref TEXT NOT NULL, touch_at INTEGER,
  quality TEXT NOT NULL, review TEXT NOT NULL, judged_at INTEGER NOT NULL, rules TEXT NOT NULL,
  PRIMARY KEY (account_id, arrival, campaign_id)) WITHOUT ROWID;
CREATE INDEX judgement_review ON judgement (account_id, review, judged_at) WHERE review <> '';
-- rewards; `secret` is sealed with the recipient's key, `partner` the keyed hash of its coupon or of the partner's own id for it
CREATE TABLE reward (
  account_id INTEGER NOT NULL, id INTEGER NOT NULL, profile_id INTEGER NOT NULL, journey_id INTEGER NOT NULL, other_id INTEGER,
  campaign_id TEXT NOT NULL, version INTEGER NOT NULL, program TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL,
  supplier_id TEXT NOT NULL, state TEXT NOT NULL, unit TEXT NOT NULL, value INTEGER NOT NULL, cause INTEGER NOT NULL,
  nth INTEGER NOT NULL, waiting TEXT NOT NULL, is_final INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, due_at INTEGER,
  expires_at INTEGER, coupon INTEGER, rules TEXT NOT NULL, secret BLOB NOT NULL, partner BLOB, PRIMARY KEY (account_id, id)) WITHOUT ROWID;
CREATE INDEX reward_partner ON reward (account_id, partner) WHERE partner IS NOT NULL;
CREATE INDEX reward_person ON reward (account_id, profile_id);
CREATE INDEX reward_journey ON reward (account_id, journey_id);
CREATE INDEX reward_nth ON reward (account_id, profile_id, nth) WHERE nth > 0;
CREATE INDEX reward_due ON reward (account_id, due_at) WHERE waiting IN ('pending', 'supplier') AND due_at IS NOT NULL;
CREATE INDEX reward_expiry ON reward (account_id, expires_at)
  WHERE state IN ('EARNED', 'FULFILLED', 'SENT', 'FAILED') AND expires_at IS NOT NULL;
CREATE INDEX reward_failed ON reward (account_id, supplier_id, id) WHERE state = 'FAILED';
CREATE TABLE reward_transition (
  account_id INTEGER NOT NULL, reward_id INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, before TEXT NOT NULL,
  after TEXT NOT NULL, success INTEGER NOT NULL, message TEXT NOT NULL, by TEXT NOT NULL, cause INTEGER NOT NULL, detail BLOB NOT NULL,
  PRIMARY KEY (account_id, reward_id, seq)) WITHOUT ROWID;
CREATE INDEX reward_transition_at ON reward_transition (account_id, at, success, before, after);
-- what recipients earned a day, for limits; and what a campaign gave out a period, for budgets
CREATE TABLE earned (
  account_id INTEGER NOT NULL, profile_id INTEGER NOT NULL, program TEXT NOT NULL, name TEXT NOT NULL, unit TEXT NOT NULL,
  day INTEGER NOT NULL, count INTEGER NOT NULL, value INTEGER NOT NULL,
  PRIMARY KEY (account_id, profile_id, program, name, unit, day)) WITHOUT ROWID;
CREATE TABLE spent (
  account_id INTEGER NOT NULL, campaign_id TEXT NOT NULL, unit TEXT NOT NULL, day INTEGER NOT NULL, count INTEGER NOT NULL,
  value INTEGER NOT NULL, PRIMARY KEY (account_id, campaign_id, unit, day)) WITHOUT ROWID;
-- high-quality outcomes credited to an advocate in a program, a day: Nth rules and daily limits
CREATE TABLE credited (
  account_id INTEGER NOT NULL, advocate_id INTEGER NOT NULL, program TEXT NOT NULL, day INTEGER NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (account_id, advocate_id, program, day)) WITHOUT ROWID;
-- the ledger: each posting goes to a person and from the program, so the sum of all balances is what was posted
CREATE TABLE posting (
  account_id INTEGER NOT NULL, id INTEGER NOT NULL, profile_id INTEGER NOT NULL, unit TEXT NOT NULL, amount INTEGER NOT NULL,
  reward_id INTEGER NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (account_id, id)) WITHOUT ROWID;
CREATE TABLE balance (
  account_id INTEGER NOT NULL, profile_id INTEGER NOT NULL, unit TEXT NOT NULL, amount INTEGER NOT NULL,
  PRIMARY KEY (account_id, profile_id, unit)) WITHOUT ROWID;
-- suppliers as JSON; coupons: `hash` is the keyed hash of the code, `code` is sealed with the account's secret until it is issued, and
-- empty then: the reward has it
CREATE TABLE supplier (
  account_id INTEGER NOT NULL, id TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (account_id, id)) WITHOUT ROWID;
CREATE TABLE coupon (
  account_id INTEGER NOT NULL, id INTEGER NOT NULL, supplier_id TEXT NOT NULL, upload_id INTEGER NOT NULL, reward_id INTEGER,
  hash BLOB NOT NULL, code BLOB NOT NULL, PRIMARY KEY (account_id, id)) WITHOUT ROWID;
CREATE UNIQUE INDEX coupon_hash ON coupon (account_id, supplier_id, hash);
CREATE INDEX coupon_free ON coupon (account_id, supplier_id, id) WHERE reward_id IS NULL;
CREATE TABLE coupon_upload (
  account_id INTEGER NOT NULL, id INTEGER NOT NULL, supplier_id TEXT NOT NULL, at INTEGER NOT NULL, type TEXT NOT NULL,
  added INTEGER NOT NULL, refused INTEGER NOT NULL, by TEXT NOT NULL, PRIMARY KEY (account_id, id)) WITHOUT ROWID;
-- block lists; the value of an e-mail is its keyed hash in hexadecimal, the note is sealed with the account's secret
CREATE TABLE block (
  account_id INTEGER NOT NULL, list_type TEXT NOT NULL, filter_type TEXT NOT NULL, value TEXT NOT NULL, note BLOB NOT NULL,
  created_at INTEGER NOT NULL, PRIMARY KEY (account_id, list_type, value)) WITHOUT ROWID;
-- the outbox: `body` is sealed with the key of the person it is about (profile_id; 0 names nobody and is sealed with the account's), and
-- with that of a second person it names (other_id); `series` is how many attempts there were when it was last sent again by hand
CREATE TABLE endpoint (
  account_id INTEGER NOT NULL, id TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, document TEXT NOT NULL,
  secret BLOB, PRIMARY KEY (account_id, id)) WITHOUT ROWID;
CREATE TABLE endpoint_health (
  account_id INTEGER NOT NULL, id TEXT NOT NULL, failing_since INTEGER, succeeded_at INTEGER, failed_at INTEGER,
  PRIMARY KEY (account_id, id)) WITHOUT ROWID;
CREATE TABLE delivery (
  account_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id TEXT NOT NULL, event_type TEXT NOT NULL, event_id TEXT NOT NULL,
  profile_id INTEGER NOT NULL, other_id INTEGER NOT NULL, at INTEGER NOT NULL, next_at INTEGER, ended_at INTEGER, attempts INTEGER NOT NULL,
  series INTEGER NOT NULL, state TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (account_id, id)) WITHOUT ROWID;
CREATE INDEX delivery_due ON delivery (account_id, endpoint_id, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_ended ON delivery (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX delivery_dead ON delivery (account_id, endpoint_id, id) WHERE state = 'dead';
CREATE INDEX delivery_endpoint ON delivery (account_id, endpoint_id, id);
CREATE INDEX delivery_event ON delivery (account_id, event_id);
CREATE INDEX delivery_person ON delivery (account_id, profile_id) WHERE profile_id <> 0;
CREATE INDEX delivery_other ON delivery (account_id, other_id) WHERE other_id <> 0;
-- one HTTP try; `exchange` is the request and the answer, sealed like the delivery's body
CREATE TABLE attempt (
  account_id INTEGER NOT NULL, delivery_id INTEGER NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, millis INTEGER NOT NULL,
  status INTEGER, error TEXT NOT NULL, exchange BLOB NOT NULL, PRIMARY KEY (account_id, delivery_id, number)) WITHOUT ROWID;

-- An account's days where they are not those of UTC: from when clocks stand how far east, as JSON (core/calendar.py).
CREATE TABLE calendar (account_id INTEGER NOT NULL, days TEXT NOT NULL, PRIMARY KEY (account_id));

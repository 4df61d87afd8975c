-- Answers to requests with an Idempotency-Key. id rises, so the oldest ones are the first.
CREATE TABLE IF NOT EXISTS once (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	key TEXT NOT NULL UNIQUE,
	asked TEXT NOT NULL,
	status INTEGER NOT NULL,
	body TEXT NOT NULL,
	at_ms INTEGER NOT NULL
) STRICT

-- The rows that wait for Kafka, and those it has acknowledged lately. The sequence number is
-- a row of its own: numbers are never handed out twice, even when all rows are gone.
CREATE TABLE IF NOT EXISTS outbox (
	id INTEGER PRIMARY KEY,
	type INTEGER NOT NULL,
	at_ms INTEGER NOT NULL,
	key TEXT NOT NULL,
	value BLOB NOT NULL,
	trace TEXT, -- W3C traceparent, where the request had one
	tracestate TEXT -- and what came with it
) STRICT;

CREATE TABLE IF NOT EXISTS outbox_state (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	source TEXT NOT NULL,
	last INTEGER NOT NULL,
	acknowledged INTEGER NOT NULL,
	acknowledged_offset INTEGER NOT NULL
) STRICT;

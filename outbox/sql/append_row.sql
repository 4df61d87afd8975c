INSERT INTO outbox (id, type, at_ms, key, value, trace, tracestate) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

SELECT id, type, at_ms, key, value, trace, tracestate FROM outbox WHERE id >= ?1 ORDER BY id LIMIT ?2

INSERT INTO outbox_state (one, source, last, acknowledged, acknowledged_offset) VALUES (1, ?1, 0, 0, -1)

SELECT source, last, acknowledged, acknowledged_offset, (SELECT coalesce(min(id), 0) FROM outbox) FROM outbox_state WHERE one = 1

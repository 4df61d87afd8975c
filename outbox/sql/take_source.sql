UPDATE outbox_state SET source = ?1, last = ?2, acknowledged = 0, acknowledged_offset = ?3 WHERE one = 1

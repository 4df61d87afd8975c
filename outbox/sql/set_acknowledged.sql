UPDATE outbox_state SET acknowledged = ?1, acknowledged_offset = ?2 WHERE one = 1

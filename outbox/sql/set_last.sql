UPDATE outbox_state SET last = ?1 WHERE one = 1

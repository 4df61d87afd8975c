UPDATE outbox SET id = ?1 - id

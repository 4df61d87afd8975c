UPDATE outbox SET id = -id

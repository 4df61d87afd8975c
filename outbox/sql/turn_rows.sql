UPDATE outbox SET id = -id WHERE id BETWEEN ?1 AND ?2

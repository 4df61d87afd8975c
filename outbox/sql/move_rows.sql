UPDATE outbox SET id = ?3 - id WHERE id BETWEEN ?1 AND ?2

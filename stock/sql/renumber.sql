UPDATE stock SET event_id = max(event_id - ?1, 0)

SELECT asked, status, body FROM once WHERE key = ?1 AND at_ms > ?2

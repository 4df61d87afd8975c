INSERT OR REPLACE INTO once (key, asked, status, body, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)

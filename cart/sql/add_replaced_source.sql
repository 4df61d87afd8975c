INSERT OR REPLACE INTO replaced_sources (source, highest, replaced_ms) VALUES (?1, ?2, ?3)

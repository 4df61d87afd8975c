INSERT OR IGNORE INTO former_sources (source) VALUES (?1)

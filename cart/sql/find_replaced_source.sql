SELECT highest, replaced_ms FROM replaced_sources WHERE source = ?1

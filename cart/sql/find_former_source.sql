SELECT 1 FROM former_sources WHERE source = ?1

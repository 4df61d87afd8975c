DELETE FROM replaced_sources WHERE source = ?1

SELECT 1 FROM pragma_table_info('outbox') WHERE name = ?1

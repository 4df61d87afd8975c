DELETE FROM once WHERE id IN (SELECT id FROM once ORDER BY id LIMIT 2) AND (at_ms <= ?1 OR id <= (SELECT max(id) FROM once) - ?2)

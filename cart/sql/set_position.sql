UPDATE stock_position SET next_offset = ?1, source = ?2 WHERE one = 1

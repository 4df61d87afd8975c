UPDATE stock_view SET next_offset = ?1, source = ?2, highest = ?3, believed = ?4, anchor_offset = ?5, anchor_id = ?6 WHERE one = 1

SELECT next_offset, source FROM stock_position WHERE one = 1

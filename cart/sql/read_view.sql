SELECT next_offset, source, highest, believed, anchor_offset, anchor_id FROM stock_view WHERE one = 1

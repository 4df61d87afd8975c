SELECT l.count, coalesce(i.count, 0) FROM stock_levels l LEFT JOIN cart_items i ON i.cart_id = ?1 AND i.sku = l.sku WHERE l.sku = ?2

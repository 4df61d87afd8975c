SELECT i.sku, i.count, l.price_cents FROM cart_items i LEFT JOIN stock_levels l ON l.sku = i.sku WHERE i.cart_id = ?1 ORDER BY i.sku

INSERT INTO cart_items (cart_id, sku, count) VALUES (?1, ?2, ?3) ON CONFLICT (cart_id, sku) DO UPDATE SET count = count + excluded.count

SELECT sku, price_cents, count, event_id FROM stock WHERE sku > ?1 ORDER BY sku LIMIT ?2

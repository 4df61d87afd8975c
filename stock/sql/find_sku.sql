SELECT price_cents, count, event_id FROM stock WHERE sku = ?1

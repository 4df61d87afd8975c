INSERT INTO stock (sku, price_cents, count, event_id) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (sku) DO UPDATE SET price_cents = excluded.price_cents, count = excluded.count, event_id = excluded.event_id

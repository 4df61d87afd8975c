-- What is on the shelves. event_id is the number of the SKU's last event; 0: it was
-- under another name of this store (store fork).
CREATE TABLE IF NOT EXISTS stock (
	sku TEXT PRIMARY KEY,
	price_cents INTEGER NOT NULL,
	count INTEGER NOT NULL,
	event_id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS cart_items (
	cart_id TEXT NOT NULL,
	sku TEXT NOT NULL,
	count INTEGER NOT NULL,
	PRIMARY KEY (cart_id, sku)
) STRICT, WITHOUT ROWID;

-- What cart knows of stock: the level in the highest event seen of each SKU.
CREATE TABLE IF NOT EXISTS stock_levels (
	sku TEXT PRIMARY KEY,
	source TEXT NOT NULL,
	event_id INTEGER NOT NULL,
	count INTEGER NOT NULL,
	price_cents INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How far partition 1 is read: the next offset, and whose events the view shows.
CREATE TABLE IF NOT EXISTS stock_position (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	next_offset INTEGER NOT NULL,
	source TEXT NOT NULL
) STRICT;
INSERT INTO stock_position SELECT 1, -1, '' WHERE NOT EXISTS (SELECT 1 FROM stock_position);

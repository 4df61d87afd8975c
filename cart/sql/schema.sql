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

-- How far partition 1 is read, and whose events the view shows. Holes in the numbers up to
-- `believed` are known: the partition was read again because of them. The anchor is the last
-- record of that source that was read, so that a partition made anew is noticed.
DROP TABLE IF EXISTS stock_position;
CREATE TABLE IF NOT EXISTS stock_view (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	next_offset INTEGER NOT NULL,
	source TEXT NOT NULL,
	highest INTEGER NOT NULL,
	believed INTEGER NOT NULL,
	anchor_offset INTEGER NOT NULL,
	anchor_id INTEGER NOT NULL
) STRICT;
INSERT INTO stock_view SELECT 1, -1, '', 0, 0, -1, 0 WHERE NOT EXISTS (SELECT 1 FROM stock_view);

-- Stores of stock before the one it has now: the highest number seen of each, and the time of the
-- record of another one that took its place. What still comes of them is old.
DROP TABLE IF EXISTS former_sources;
CREATE TABLE IF NOT EXISTS replaced_sources (
	source TEXT PRIMARY KEY,
	highest INTEGER NOT NULL,
	replaced_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID

SELECT count(*) FROM cart_items WHERE cart_id = ?1

DELETE FROM cart_items WHERE cart_id = ?1 AND sku = ?2

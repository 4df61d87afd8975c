DELETE FROM stock_levels WHERE source <> ?1

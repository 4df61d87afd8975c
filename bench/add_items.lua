-- Customers for wrk: each request puts one piece of a random SKU into a random cart.
--
--   wrk ... -s add_items.lua URL -- CARTS SKUS SEED
--
-- Prints one line of JSON, latencies in microseconds. Bodies of answers are not looked at: that
-- would cost the machine more than the service does. `refused` counts statuses above 399, and cart
-- answers no status below that but 201; the events it made are counted elsewhere.
local carts, skus, text

function init(args)
  carts, skus = tonumber(args[1]), tonumber(args[2])
  math.randomseed(tonumber(args[3]))
  local body = '{"sku":"sku-%07d","count":1}'
  text = "POST /carts/cart-%08d/items HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: "
    .. #string.format(body, 0) .. "\r\n\r\n" .. body
end

function request()
  return string.format(text, math.random(carts) - 1, math.random(skus) - 1)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"seconds":%.6f,"refused":%d,"broken":%d,"late":%d',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write, errors.timeout))
  for name, share in pairs({p50 = 50, p90 = 90, p99 = 99, p999 = 99.9}) do
    io.write(string.format(',"%s":%d', name, latency:percentile(share)))
  end
  io.write(string.format(',"max":%d}\n', latency.max))
end

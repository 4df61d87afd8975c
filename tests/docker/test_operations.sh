#!/usr/bin/env bash
# The procedures of docs/OPERATIONS.md in Docker, exactly as their blocks stand there: a store backed up and
# restored, a journal backed up and restored, a dead letter repaired, a broker whose disk is lost.
# Prints a line a claim; exit status 1 on the first that does not hold.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/shop.sh"

need_compose
no_shop_is_there
work=$(mktemp -d "${TMPDIR:-/tmp}/operations.XXXXXX")
tree=$work/shop

look_around() {
  cat "$work/said" 2>/dev/null || true
  docker ps -a 2>/dev/null || true
  for name in kafka1 cart stock metrics-consumer; do
    docker logs --tail 5 "$name" 2>&1 | sed "s/^/$name: /" || true
  done
}

clean_up() {
  remove_shop "$tree" >"$work/down.log" 2>&1 || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# --- a shop -----------------------------------------------------------------------------------------
copy_tree "$tree"
write_compose "$work/bin"
cd "$tree"
{
  docker network create shared-net
  (cd kafka && docker-compose up -d --build zookeeper kafka1 kafka2 kafka-topic)
  docker-compose up -d --build cart stock metrics-consumer
} >"$work/said" 2>&1 || not_ok 'a shop starts'
for name in kafka1 kafka2 cart stock metrics-consumer; do
  await 90 healthy "$name" || not_ok "$name is healthy"
done

type_in() { # name of a block
  {
    block docs/OPERATIONS.md 'In Docker: a shell beside a service'
    block docs/OPERATIONS.md "tests/docker/test_operations.sh types this: $1"
  } >"$work/typed"
  timeout 120 bash -e "$work/typed" </dev/null >"$work/said" 2>&1 || not_ok "$1"
}
nothing_is_missing() { await 40 verify || not_ok "nothing is missing $1: $(verify 2>&1 || true)"; }
change_price() { await 20 ask -f -X PUT -d "{\"price\":$1,\"count\":9}" http://127.0.0.1:8081/stocks/A9 || not_ok 'stock answers'; }
source_of_stock() { ask http://127.0.0.1:8081/outbox | sed 's/.*"source":"\([^"]*\)".*/\1/'; }

put_no_event() { # number of one digit; returns when it is in the dead letter
  echo "no event $1" | docker exec -i kafka2 kcat -b kafka2:9092 -t metrics -p 0 -P
  await 30 is_dead_once "$1" || not_ok 'a record that is no event is in the dead letter'
}
is_dead_once() {
  [[ $(docker exec metrics-consumer grep -c "\"value_hex\":\"6e6f206576656e74203$1\"" /var/lib/metrics-consumer/dead-letter.log) == 1 ]]
}
has_line() { docker exec metrics-consumer grep -q "$1" /var/lib/metrics-consumer/metrics.log; }

# --- a store ----------------------------------------------------------------------------------------
change_price 1
type_in 'back up a store'
change_price 2
before=$(source_of_stock)
type_in 'restore a store'
grep -q "^$before is now stock/" "$work/said" || not_ok 'a restored store gets a new name'
change_price 3
[[ $(source_of_stock) != "$before" ]] || not_ok 'the new name is used'
nothing_is_missing 'after a store was restored'
ok "a store backed up and restored: $(grep ' is now stock/' "$work/said")"

# --- a journal ---------------------------------------------------------------------------------------
put_no_event 1
type_in 'back up a journal'
put_no_event 2
type_in 'restore a journal'
nothing_is_missing 'after a journal was restored'
await 30 is_dead_once 2 && is_dead_once 1 || not_ok 'the dead letter has each record once'
ok 'a journal backed up while it grew and restored: nothing is missing, dead letters neither'

docker exec metrics-consumer tail -n 1 /var/lib/metrics-consumer/dead-letter.log |
  sed "s|\"value_hex\".*|\"value\":$(<event/examples/cart_cleared.json)}|" >letter.json
type_in 'redrive'
grep -q '^1 redriven, 0 already there, 0 refused$' "$work/said" || not_ok 'a dead letter is redriven'
has_line '"type":"cart_cleared".*"xyz123"' || not_ok 'it is in the journal'
ok 'a repaired dead letter is redriven'

# --- a broker whose disk is lost ---------------------------------------------------------------------
docker rm -f kafka1 >/dev/null
docker volume rm kafka_kafka1 >/dev/null
(cd kafka && docker-compose up -d kafka1) >"$work/said" 2>&1 || not_ok 'the container is made again'
refused() { docker logs kafka1 2>&1 | grep '^broker 1: does not start: /var/lib/kafka is empty, but it should hold partitions of ' >/dev/null; }
await 30 refused || not_ok 'a broker whose disk is lost does not start'
nothing_is_missing 'while a broker has no disk'
type_in 'a lost disk'
await 60 in_sync || not_ok 'the broker is in sync again'
[[ $(docker exec kafka1 printenv BROKER_REPLACE_LOST_DISK) == no ]] || not_ok 'the permission is gone again'
nothing_is_missing 'after a disk was lost'
ok 'a lost disk: the broker does not start, and is in sync again once it may'

# --- a topic that is made anew -----------------------------------------------------------------------
# The brokers were away by now, so that its leaders' epochs go back: librdkafka 2.8 follows only with a
# new client.
docker exec kafka2 kafka-topics.sh --bootstrap-server kafka2:9092 --delete --topic metrics >"$work/said" 2>&1 ||
  not_ok 'the topic is deleted'
docker start kafka-topic >/dev/null
[[ $(docker wait kafka-topic) == 0 ]] || not_ok 'the topic is made anew'
change_price 4
await 30 has_line '"sku":"A9","count":9,"price":4}' || not_ok 'the consumer reads a topic that was made anew'
knows_price() { ask http://127.0.0.1:8080/carts/made-anew | grep -E '"price":4[,}]'; }
ask -d '{"sku":"A9","count":1}' http://127.0.0.1:8080/carts/made-anew/items >"$work/said"
await 30 knows_price || not_ok "cart reads a topic that was made anew: $(ask http://127.0.0.1:8080/carts/made-anew)"
nothing_is_missing 'after the topic was made anew'
for name in cart metrics-consumer; do
  ! docker logs "$name" 2>&1 | grep 'librdkafka does not end' || not_ok "$name leaves no client behind"
done
ok 'a topic made anew: all is read again, and nothing is missing'

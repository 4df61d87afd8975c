#!/usr/bin/env bash
# The whole compose run on a real engine, in a clone: exactly the block of the README, then what
# must be true afterwards; the older Compose on the same files; the image pushed to a registry on
# loopback and pulled by tag. Prints a line a claim; exit status 1 on the first that does not hold.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/shop.sh"

look_around() {
  docker ps -a 2>/dev/null || true
  for name in kafka-topic cart stock metrics-consumer; do
    docker logs --tail 5 "$name" 2>&1 | sed "s/^/$name: /" || true
  done
}

need_compose
no_shop_is_there
work=$(mktemp -d "${TMPDIR:-/tmp}/compose.XXXXXX")
tree=$work/shop
registry_pid=

clean_up() {
  {
    docker rm -f plain-consumer
    remove_shop "$tree"
  } >>"$work/down.log" 2>&1 || true
  [[ -z $registry_pid ]] || kill "$registry_pid" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

copy_tree "$tree"
cd "$tree"
# Images of an earlier tree would be run as they are.
docker image rm -f shop-cart shop-stock metrics-consumer:hw9 kafka-{zookeeper,kafka1,kafka2,kafka-topic} >/dev/null 2>&1 || true

old_compose=$(command -v docker-compose || true)
write_compose "$work/bin"
ok "engine $(docker version -f '{{.Server.Version}}'), Compose $(docker-compose version --short)"

# --- both generations read the files ------------------------------------------------------------
for folder in . kafka; do
  (cd "$folder" && docker-compose config -q) || not_ok "Compose v2 reads $folder/docker-compose.yml"
done
ok 'Compose v2 reads both files'
"$engine" compose1 >/dev/null 2>&1 || true
for candidate in "$old_compose" /usr/bin/docker-compose; do
  [[ -x $candidate && $("$candidate" version --short 2>/dev/null) == 1.29.* ]] && old_compose=$candidate && break
  old_compose=
done
if [[ $old_compose ]]; then
  for folder in . kafka; do
    (cd "$folder" && "$old_compose" config -q) || not_ok "docker-compose 1.29.2 reads $folder/docker-compose.yml"
  done
  ok 'docker-compose 1.29.2 reads both files'
else
  skipped 'docker-compose 1.29.2: this Debian has none'
fi

# --- the block of the README ----------------------------------------------------------------------
if ! timeout 60 docker pull -q ghcr.io/kafbat/kafka-ui:v1.5.0 >/dev/null 2>&1; then
  skipped 'kafka-ui: its image cannot be pulled here; the rest runs without it'
  printf 'services:\n  kafka-ui:\n    profiles: [needs-its-image]\n' >kafka/docker-compose.override.yml
fi
block=$(block README.md 'tests/docker/test_compose.sh runs exactly this block')
wanted='docker network create shared-net
(cd kafka && docker-compose up -d)
docker-compose up -d cart stock metrics-consumer
docker logs -f metrics-consumer
docker stop kafka1'
[[ $block == "$wanted" ]] || not_ok "the README's block is the seed's: $block"

lines_of_logs() { wc -l <"$work/logs"; }
logs_have() { grep -q "$1" "$work/logs"; }
more_than() { (($(lines_of_logs) > $1)); }

while IFS= read -r command; do
  began=$SECONDS
  case "$command" in
    'docker logs -f metrics-consumer')
      docker logs -f metrics-consumer >"$work/logs" 2>"$work/log" &
      await 120 logs_have 'partition=0 .*"service":"cart"' || not_ok 'docker logs shows cart on partition 0'
      await 60 logs_have 'partition=1 .*"service":"stock"' || not_ok 'docker logs shows stock on partition 1'
      ;;
    *)
      bash -ec "$command" >"$work/out" 2>&1 || { tail -n 30 "$work/out"; not_ok "$command"; }
      ;;
  esac
  ok "$command ($((SECONDS - began)) s)"
done <<<"$block"

at_stop=$(lines_of_logs)
await 60 more_than $((at_stop + 20)) || not_ok 'events flow while kafka1 is stopped'
[[ $(docker exec kafka2 /opt/kafka/ask topic kafka2:9092 metrics) == *'0 leader=2'* ]] || not_ok 'kafka2 leads partition 0'
ok "events flow while kafka1 is stopped: $at_stop lines before, $(lines_of_logs) after"

verify >"$work/verify" || { cat "$work/verify"; not_ok 'verify is clean'; }
ok "verify: $(tail -n 1 "$work/verify")"

docker start kafka1 >/dev/null
await 90 in_sync || not_ok 'kafka1 is in sync again'
ok 'docker start kafka1: in sync again'

# --- what a person types ---------------------------------------------------------------------------
docker exec kafka1 kafka-topics.sh --bootstrap-server kafka1:9092 --describe --topic metrics >"$work/describe" ||
  not_ok 'kafka-topics.sh is on the PATH'
grep -q 'PartitionCount: 2.*ReplicationFactor: 2' "$work/describe" || not_ok '2 partitions, replication factor 2'
ok 'kafka-topics.sh says 2 partitions, replication factor 2'
[[ $(docker exec kafka2 kcat -b kafka2:9092 -t metrics -C -p 0 -o -1 -c 1 -f '%p %s') == '0 {"type":"cart_item_'* ]] ||
  not_ok 'kcat shows a cart event on partition 0'
ok 'kcat shows a cart event on partition 0'

answer=$(curl -s --noproxy '*' -X PUT -d '{"price":12.5,"count":100}' http://127.0.0.1:8081/stocks/A123)
[[ $answer == *'"sku":"A123"'* ]] || not_ok "PUT on the published port: $answer"
await 10 logs_have '"sku":"A123","price":12.5,"count":100' || not_ok 'the event of a request is in docker logs'
answer=$(curl -s --noproxy '*' -d '{"sku":"A123","count":2}' http://127.0.0.1:8080/carts/xyz123/items)
[[ $answer == *'"cartId":"xyz123"'* ]] || not_ok "POST on the published port: $answer"
ok 'a request on a published port is an event'

# --- the containers ----------------------------------------------------------------------------------
for name in cart stock metrics-consumer kafka1; do
  [[ $(docker exec "$name" id -u) != 0 ]] || not_ok "$name does not run as root"
done
ok 'no container of ours runs as root'
for name in zookeeper kafka1 kafka2 cart stock metrics-consumer; do
  await 60 healthy "$name" || not_ok "$name is healthy"
done
ok 'all are healthy'
docker pause kafka1 kafka2 >/dev/null
unhealthy() { [[ $(docker inspect -f '{{.State.Health.Status}}' "$1") == unhealthy ]]; }
await 60 unhealthy cart || not_ok 'the health check of cart can fail'
docker unpause kafka1 kafka2 >/dev/null
await 60 healthy cart || not_ok 'cart is healthy again'
ok 'the health check of cart fails while no broker answers, and only then'
for image in $(docker inspect -f '{{.Image}}' cart stock metrics-consumer); do
  [[ $(docker image inspect -f '{{index .Config.Labels "org.opencontainers.image.title"}}' "$image") ]] ||
    not_ok 'images have labels'
done
ok "image sizes: $(docker images --format '{{.Repository}} {{.Size}}' | grep -E '^(shop-|metrics-consumer|kafka-kafka1)' | sort -u | tr '\n' ',')"

# --- a change of one C file rebuilds in seconds -------------------------------------------------------
echo '/* touched */' >>metrics-consumer/page.c
began=$SECONDS
docker-compose build metrics-consumer >"$work/out" 2>&1 || { tail -n 30 "$work/out"; not_ok 'rebuild after a change'; }
took=$((SECONDS - began))
((took < 60)) || not_ok "a change of one C file rebuilds in seconds: $took s"
ok "a change of one C file rebuilds in $took s"

# --- publishing -----------------------------------------------------------------------------------------
"$engine" registry >/dev/null || not_ok 'docker-registry can be had here'
registry_port=$((20000 + RANDOM % 10000))
mkdir "$work/registry"
cat >"$work/registry.yml" <<YAML
version: 0.1
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:$registry_port"}
YAML
docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
registry_pid=$!
await 20 curl -sf --noproxy '*' "http://127.0.0.1:$registry_port/v2/" || not_ok 'the registry answers'
image=127.0.0.1:$registry_port/you/metrics-consumer:hw9
make publish IMAGE="$image" >"$work/out" 2>&1 || { tail -n 30 "$work/out"; not_ok 'make publish'; }
grep '^publish: pushed' "$work/out"
pushed=$(docker image inspect -f '{{.Id}}' "$image")
ok "make publish IMAGE=$image"

runs_as_pushed() { # compose-command...
  docker rm -f metrics-consumer >/dev/null
  docker image rm -f "$image" >/dev/null
  METRICS_CONSUMER_IMAGE=$image "$@" pull metrics-consumer >"$work/out" 2>&1 || { tail "$work/out"; return 1; }
  METRICS_CONSUMER_IMAGE=$image "$@" up -d --no-deps metrics-consumer >"$work/out" 2>&1 || { tail "$work/out"; return 1; }
  [[ $(docker inspect -f '{{.Image}}' metrics-consumer) == "$pushed" ]]
}
runs_as_pushed docker-compose || not_ok 'Compose v2 pulls by tag and runs what was pushed'
ok 'Compose v2 pulls by tag and runs what was pushed'
if [[ $old_compose ]]; then
  runs_as_pushed "$old_compose" || not_ok 'docker-compose 1.29.2 pulls by tag and runs what was pushed'
  ok 'docker-compose 1.29.2 pulls by tag and runs what was pushed'
fi
await 60 healthy metrics-consumer || not_ok 'the pulled consumer is healthy'
verify >"$work/verify" || { cat "$work/verify"; not_ok 'verify is clean after all of it'; }
ok "verify after all of it: $(tail -n 1 "$work/verify")"

docker run -d --name plain-consumer --network shared-net "$image" >/dev/null
await 60 bash -c 'docker logs plain-consumer 2>/dev/null | grep -q "partition=1"' || not_ok 'docker run --network shared-net IMAGE runs'
ok 'docker run --network shared-net IMAGE runs with no variables set'

#!/usr/bin/env bash
# The cluster without Docker, in a folder and on ports of its own. About 40 s.
set -euo pipefail

kafka=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
CLUSTER_DIR=$(mktemp -d "${TMPDIR:-/tmp}/test_cluster.XXXXXX")
export CLUSTER_DIR
unset CLUSTER_PORTS TOPIC
claim=start

cleanup() {
  local status=$?
  if ((status)); then
    echo "not ok - $claim"
    "$kafka/cluster" status || true
    tail -n 5 "$CLUSTER_DIR"/*/log 2>/dev/null || true
  fi
  "$kafka/cluster" down || true
  rm -rf "$CLUSTER_DIR"
}
trap cleanup EXIT

claim() { claim=$*; }
ok() { echo "ok - $claim (${SECONDS} s)"; }
die() { echo "   $*" >&2; exit 1; }
cluster() { timeout 120 "$kafka/cluster" "$@"; }
tool() { timeout 60 "$kafka/tool" "$@"; }
status_of() { local status=0; "$@" >"$CLUSTER_DIR/said" 2>&1 || status=$?; echo "$status"; }
broker_address() { sed -n "s/^KAFKA_BROKERS=\(.*\),\(.*\)$/\\$1/p" < <(cluster env); }
leaders() { "$kafka/ask" topic "$1" metrics | sed -n 's/.*leader=\([^ ]*\) .*/\1/p' | paste -sd ' '; }
expect() { # what, is, must be
  [[ $2 == "$3" ]] || die "$1 is '$2', not '$3'"
}
await_leaders() { # address wanted seconds
  local end=$((SECONDS + $3))
  until [[ $(leaders "$1") == "$2" ]]; do
    ((SECONDS < end)) || die "leaders are '$(leaders "$1")', not '$2', after $3 s"
    sleep 0.1
  done
}

claim 'a command before the first start says that there is no cluster'
expect 'exit status' "$(status_of "$kafka/cluster" stop 1)" 1
grep -q 'no cluster was started' "$CLUSTER_DIR/said"
expect 'exit status' "$(status_of "$kafka/cluster" stop 3)" 1
expect 'exit status' "$(status_of "$kafka/cluster" fly)" 64
ok

claim 'up makes the topic: two partitions, two copies, leaders 1 and 2'
out=$(cluster up --ports free)
one=$(broker_address 1)
two=$(broker_address 2)
expect topic "$("$kafka/ask" topic "$one" metrics)" $'0 leader=1 replicas=1,2 isr=1,2\n1 leader=2 replicas=2,1 isr=2,1'
grep -q 'topic metrics: made' <<<"$out"
ok

claim 'up again starts nothing and finds the topic as it must be'
before=$(cat "$CLUSTER_DIR"/*/pid)
grep -q 'topic metrics: is as it must be' < <(cluster up)
expect processes "$(cat "$CLUSTER_DIR"/*/pid)" "$before"
ok

claim 'everything listens on 127.0.0.1 only'
for port in $(<"$CLUSTER_DIR/ports"); do
  printf -v hexadecimal '%04X' "$port"
  found=$(cat /proc/net/tcp /proc/net/tcp6 | awk -v p=":$hexadecimal" '$4 == "0A" && substr($2, length($2) - 4) == p { print $2 }')
  [[ $found == "0100007F:$hexadecimal" || $found == "0000000000000000FFFF00000100007F:$hexadecimal" ]] ||
    die "port $port listens on $found"
done
ok

claim 'a second cluster on a port that is taken names who holds it'
port=${one#*:}
expect 'exit status' "$(status_of "$kafka/cluster" up --dir "$CLUSTER_DIR/second" --ports "1,$port,2")" 1
grep -q "port $port is held by process $(cut -d ' ' -f 1 "$CLUSTER_DIR/broker-1/pid") (java" "$CLUSTER_DIR/said" || die "$(<"$CLUSTER_DIR/said")"
ok

claim 'a record goes in and comes out'
echo hello | tool kafka-console-producer --bootstrap-server "$one" --topic metrics 2>/dev/null
expect record "$(tool kafka-console-consumer --bootstrap-server "$one" --topic metrics --from-beginning --max-messages 1 --timeout-ms 20000 2>/dev/null)" hello
ok

claim 'stop 1 moves both leaders to 2'
cluster stop 1
await_leaders "$two" '2 2' 5
ok

claim 'start 1 returns when broker 1 is in sync again'
cluster start 1
expect 'copies out of sync' "$("$kafka/ask" topic "$two" metrics | grep -c -v -E 'isr=(1,2|2,1)$' || true)" 0
ok

claim 'up gives each partition back to its own leader'
cluster up >/dev/null
await_leaders "$one" '1 2' 3
ok

claim 'kill 1 and start 1 at once: it comes back, though ZooKeeper still has its old session'
cluster kill 1
cluster start 1
await_leaders "$one" "$(leaders "$two")" 5
ok

claim 'a process that somebody else kills is started again'
read -r pid _ <"$CLUSTER_DIR/broker-2/pid"
kill -KILL "$pid"
end=$((SECONDS + 30))
until [[ -e $CLUSTER_DIR/broker-2/pid && $(cut -d ' ' -f 1 "$CLUSTER_DIR/broker-2/pid") != "$pid" ]]; do
  ((SECONDS < end)) || die 'no new process after 30 s'
  sleep 0.1
done
cluster wait
ok

claim 'what was killed by command stays down until up, and up starts nothing else'
cluster kill 2
kept=$(cat "$CLUSTER_DIR"/{zookeeper,broker-1}/pid)
sleep 1.5
expect 'exit status' "$(status_of "$kafka/cluster" status)" 1
grep -q 'broker-2  stopped by command' "$CLUSTER_DIR/said"
cluster up >/dev/null
expect processes "$(cat "$CLUSTER_DIR"/{zookeeper,broker-1}/pid)" "$kept"
ok

claim 'a broker whose disk was lost does not start unless told so'
cluster stop 1
mv "$CLUSTER_DIR/broker-1/data" "$CLUSTER_DIR/broker-1/lost"
expect 'exit status' "$(BROKER_ID=1 BROKER_ZOOKEEPER=127.0.0.1:$(cut -d ' ' -f 1 "$CLUSTER_DIR/ports") \
  BROKER_DATA=$CLUSTER_DIR/empty status_of timeout 20 "$kafka/entry" broker)" 1
grep -q 'it should hold partitions of .*metrics.*BROKER_REPLACE_LOST_DISK=yes' "$CLUSTER_DIR/said" || die "$(<"$CLUSTER_DIR/said")"
BROKER_REPLACE_LOST_DISK=yes cluster start 1
expect 'records on the new disk' "$(grep -c -a hello "$CLUSTER_DIR"/broker-1/data/metrics-*/*.log | grep -c ':1$')" 1
ok

claim 'a topic with other settings is refused, each flaw with its repair'
tool kafka-topics --bootstrap-server "$one" --create --topic wrong --replica-assignment 1 --config max.message.bytes=1000 \
  --config cleanup.policy=compact >/dev/null
expect 'exit status' "$(status_of "$kafka/topic" --brokers "$one,$two" --topic wrong)" 1
expect flaws "$(grep -c '^topic wrong: .*; repair: kafka/tool kafka-' "$CLUSTER_DIR/said")" 4
grep -q 'has 1 partition, not 2; repair: .*--alter --topic wrong --partitions 2$' "$CLUSTER_DIR/said"
ok

claim 'the repairs repair'
while [[ $(status_of "$kafka/topic" --brokers "$one,$two" --topic wrong) == 1 ]]; do
  ((SECONDS < 120)) || die "still wrong: $(<"$CLUSTER_DIR/said")"
  sed -n 's/.*; repair: //p' "$CLUSTER_DIR/said" | sort -u >"$CLUSTER_DIR/repair"
  (cd "$kafka/.." && timeout 60 bash -e "$CLUSTER_DIR/repair") >"$CLUSTER_DIR/repaired" 2>&1 || die "$(<"$CLUSTER_DIR/repaired")"
done
expect topic "$("$kafka/ask" topic "$one" wrong | cut -d ' ' -f 1,3)" $'0 replicas=1,2\n1 replicas=2,1'
ok

claim 'down leaves no process'
pids=$(cut -d ' ' -f 1 "$CLUSTER_DIR"/*/pid "$CLUSTER_DIR"/*/supervisor)
cluster down
for pid in $pids; do
  state=$(cut -d ' ' -f 3 "/proc/$pid/stat" 2>/dev/null || echo gone)
  [[ $state == gone || $state == Z ]] || die "process $pid is still there"
done
ok

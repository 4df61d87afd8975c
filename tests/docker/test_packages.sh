#!/usr/bin/env bash
# The Debian packages, built and checked by lintian in a container of Debian 13, and installed,
# run by systemd, upgraded, removed and purged in another, with two real brokers on this machine.
# Prints a line a claim; exit status 1 on the first that does not hold.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/shop.sh"
programs='stock-service cart-service metrics-consumer'
box=shop-packages

look_around() { docker exec "$box" journalctl --no-pager -n 30 2>/dev/null || true; }

((EUID == 0)) || { skipped 'packages: only root can start a Docker engine'; exit 77; }
"$engine" up && "$engine" base || not_ok 'a Docker engine can be had here'

work=$(mktemp -d "${TMPDIR:-/tmp}/packages.XXXXXX")
clean_up() {
  docker rm -f "$box" >/dev/null 2>&1 || true
  { # the groups that its systemd left behind
    mkdir "$work/groups" && mount -t cgroup2 none "$work/groups" &&
      find "$work/groups/shop-packages" -depth -type d -exec rmdir {} +
    umount "$work/groups"
  } >/dev/null 2>&1 || true
  "$source_tree/kafka/cluster" down --dir "$work/kafka" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

in_box() { docker exec -i "$box" "$@" </dev/null; }

# --- building ------------------------------------------------------------------------------------

copy_tree "$work/tree"
cat >"$work/Dockerfile" <<'TEXT'
FROM debian:trixie-slim AS build
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates git lintian \
      debhelper build-essential cmake ninja-build pkg-config librdkafka-dev libmicrohttpd-dev libjansson-dev \
      libsqlite3-dev libcurl4-openssl-dev libsimdjson-dev libzstd-dev libxxhash-dev libjs-chart.js
COPY tree /src
RUN cd /src && run/package && mv build/packages /packages

FROM debian:trixie-slim
# A machine, not an image: it starts what is installed.
RUN rm -f /usr/sbin/policy-rc.d /etc/dpkg/dpkg.cfg.d/docker && apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends systemd systemd-sysv dbus man-db bash-completion sudo sqlite3 logrotate zstd \
 && rm -f /usr/sbin/policy-rc.d
RUN systemctl mask systemd-modules-load.service
# systemd gets a tree of control groups of its own, whatever the engine's are like.
RUN printf '%s\n' '#!/bin/sh -e' 'mkdir /run/groups' 'mount -t cgroup2 none /run/groups' \
      'mkdir -p /run/groups/shop-packages' 'echo $$ >/run/groups/shop-packages/cgroup.procs' 'umount /run/groups' \
      'exec unshare --cgroup sh -c "mount -t cgroup2 none /sys/fs/cgroup && exec /sbin/init"' >/start && chmod 755 /start
STOPSIGNAL SIGRTMIN+3
CMD ["/start"]
TEXT
docker build -q -t shop-packages:build --target build -f "$work/Dockerfile" "$work" >"$work/build.log" 2>&1 ||
  { tail -n 30 "$work/build.log"; not_ok 'the packages can be built'; }
docker build -q -t shop-packages:machine -f "$work/Dockerfile" "$work" >"$work/build.log" 2>&1 ||
  { tail -n 30 "$work/build.log"; not_ok 'a machine with systemd can be built'; }
docker run --rm shop-packages:build tar -C /packages -c . | tar -x -C "$work" --one-top-level=packages
for name in $programs; do
  [[ $(ls "$work/packages/$name"_*.deb) ]] || not_ok "there is a package $name"
done
ok "packages: $(cd "$work/packages" && ls ./*.deb | grep -v dbgsym | sed 's|^\./||' | tr '\n' ' ')"
said=$(docker run --rm shop-packages:build sh -c 'lintian --allow-root --fail-on error,warning /packages/*.changes') ||
  { echo "$said"; not_ok 'lintian finds nothing wrong'; }
[[ -z $said ]] || not_ok "lintian says nothing: $said"
ok "lintian says nothing ($(docker run --rm shop-packages:build lintian --version))"

# --- installing ----------------------------------------------------------------------------------

"$source_tree/kafka/cluster" up --dir "$work/kafka" --ports free >/dev/null
eval "$("$source_tree/kafka/cluster" env --dir "$work/kafka")"
# Not --privileged: that asks for every capability, and root of a machine in a machine may lack one.
wanted=(CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP SETFCAP MKNOD SYS_ADMIN SYS_CHROOT
  SYS_PTRACE SYS_NICE AUDIT_WRITE NET_BIND_SERVICE)
docker run -d --name "$box" "${wanted[@]/#/--cap-add=}" --security-opt seccomp=unconfined \
  --security-opt apparmor=unconfined --network host --tmpfs /run --tmpfs /run/lock --tmpfs /tmp \
  -v "$work/packages:/packages:ro" shop-packages:machine >/dev/null
await 30 in_box systemctl is-system-running || not_ok "systemd runs: $(in_box systemctl list-units --failed)"
ok "systemd runs: $(in_box systemctl --version | head -n 1)"

# Free ports, so that nothing of this machine is in the way.
declare -A port=()
for name in $programs; do
  port[$name]=$((20000 + RANDOM % 9000))
done
prepare() { # an administrator writes the settings before installing
  docker exec -i "$box" sh -c "cat >/etc/$1.conf" <<TEXT
STATE_DIRECTORY=/var/lib/$1
KAFKA_BROKERS=$KAFKA_BROKERS
HTTP_PORT=${port[$1]}
$2
TEXT
}
install() {
  in_box sh -c 'ls /packages/*.deb | grep -v dbgsym |
    DEBIAN_FRONTEND=noninteractive xargs apt-get -q -y -o Dpkg::Options::=--force-confold install' >"$work/apt.log" 2>&1
}
prepare stock-service ''
prepare cart-service "STOCK_URL=http://127.0.0.1:${port[stock-service]}"
prepare metrics-consumer "PRINT=off
SERVICES=http://127.0.0.1:${port[cart-service]},http://127.0.0.1:${port[stock-service]}"
install || { tail -n 20 "$work/apt.log"; not_ok 'they install'; }
for name in $programs; do
  await 30 in_box "$name" healthcheck || not_ok "$name is ready: $(in_box "$name" healthcheck)"
  [[ $(in_box systemctl show -p User --value "$name") == "$name" &&
    $(in_box stat -c '%U %a' "/var/lib/$name") == "$name 750" ]] || not_ok "$name has a user and a directory"
  pid=$(in_box systemctl show -p MainPID --value "$name")
  [[ $(in_box stat -c %u "/proc/$pid") == "$(in_box id -u "$name")" ]] ||
    not_ok "$name runs as its own user"
  in_box systemctl is-enabled -q "$name" || not_ok "$name starts with the machine"
done
ok 'installed, they run as their own users and are ready'
for name in $programs; do
  ok "$(in_box systemd-analyze security --no-pager "$name" | tail -n 1 | sed 's/[^[:print:]]//g; s/^ *//')"
  in_box systemd-analyze security --no-pager --threshold=20 "$name" >/dev/null || not_ok "$name: below 2.0"
done

ask -X PUT -d '{"price":12.5,"count":100}' "http://127.0.0.1:${port[stock-service]}/stocks/A1" >/dev/null
item() { [[ $(ask -o /dev/null -w '%{http_code}' -d '{"sku":"A1","count":1}' \
  "http://127.0.0.1:${port[cart-service]}/carts/c/items") == 201 ]]; }
await 20 item || not_ok 'an item is added'
journaled() { in_box grep -q '"type":"cart_item_added"' /var/lib/metrics-consumer/metrics.log; }
await 20 journaled || not_ok 'the event is in the journal'
verify() { in_box sudo -u metrics-consumer metrics-consumer verify \
  --outbox "http://127.0.0.1:${port[cart-service]}" --outbox "http://127.0.0.1:${port[stock-service]}"; }
verify >/dev/null || not_ok "nothing is missing: $(verify)"
ok 'an event goes all the way, and verify finds nothing wrong'
for name in $programs; do
  in_box sudo -u "$name" "$name" doctor >"$work/doctor" ||
    not_ok "doctor of $name: $(cat "$work/doctor")"
  ! grep -v '^ok' "$work/doctor" || not_ok "doctor of $name says only ok"
  in_box "$name" config >"$work/config"
  grep -q -E "^HTTP_PORT +${port[$name]} +file, line 3$" "$work/config" || not_ok "$name reads /etc/$name.conf"
  in_box man -w 1 "$name" >/dev/null || not_ok "$name has a manual page"
  in_box bash -c ". /usr/share/bash-completion/bash_completion; _comp_load $name 2>/dev/null || _completion_loader $name || true; complete -p $name" >"$work/completion" || true
  grep -q -- '-F' "$work/completion" || not_ok "$name is completed by bash"
done
ok 'doctor, config, manual pages and completions work where they are installed'

# --- the guide's procedures --------------------------------------------------------------------------

type_in() { # name of a block
  local typed
  typed=$(block docs/OPERATIONS.md "tests/docker/test_packages.sh types this: $1")
  in_box timeout 60 bash -ec "$typed" >"$work/said" 2>&1 || { cat "$work/said"; not_ok "$1"; }
}
change_price() {
  await 20 ask -f -X PUT -d "{\"price\":$1,\"count\":9}" "http://127.0.0.1:${port[stock-service]}/stocks/A9" ||
    not_ok 'stock answers'
}
nothing_is_missing() { await 20 verify || not_ok "nothing is missing $1: $(verify 2>&1 || true)"; }
change_price 1
type_in 'back up a store'
change_price 2
type_in 'restore a store'
grep -q '^stock/.* is now stock/.*: the topic has 2 of its events, 0 will be sent from number 1 on$' "$work/said" ||
  { cat "$work/said"; not_ok 'a restored store gets a new name'; }
change_price 3
nothing_is_missing 'after a store was restored'
ok "a store backed up and restored: $(grep ' is now stock/' "$work/said")"

await 30 in_box test -e /var/lib/metrics-consumer/metrics.log.checkpoint || not_ok 'there is a checkpoint'
type_in 'back up a journal'
change_price 4
type_in 'restore a journal'
change_price 5
nothing_is_missing 'after a journal was restored'
ok 'a journal backed up and restored: nothing is missing'

type_in 'move the journal'
new_file() { in_box test -s /var/lib/metrics-consumer/metrics.log; }
change_price 6
await 20 new_file || not_ok 'a journal that was moved goes on in a new file'
nothing_is_missing 'after the journal was moved'
block docs/OPERATIONS.md 'tests/docker/test_packages.sh has this as /etc/logrotate.d/metrics-consumer' |
  docker exec -i "$box" sh -c 'cat >/etc/logrotate.d/metrics-consumer'
for price in 7 8 9; do
  in_box logrotate --force /etc/logrotate.d/metrics-consumer >"$work/said" 2>&1 || { cat "$work/said"; not_ok 'logrotate'; }
  change_price "$price"
  await 20 new_file || not_ok 'a journal that logrotate moved goes on in a new file'
done
in_box sh -c 'ls /var/lib/metrics-consumer/metrics.log.*.zst' >/dev/null || { in_box ls -la /var/lib/metrics-consumer; not_ok 'logrotate compresses'; }
nothing_is_missing 'after logrotate'
in_box rm /etc/logrotate.d/metrics-consumer
ok "logrotate: $(verify | head -n 1)"

# --- stopping, upgrading, removing ---------------------------------------------------------------

in_box systemctl reload metrics-consumer || not_ok 'SIGHUP by systemctl reload'
in_box systemctl kill -s KILL cart-service
await 20 in_box cart-service healthcheck || not_ok 'a killed one is started again'
in_box sh -c 'echo HTTP_PORT=x >>/etc/cart-service.conf; systemctl restart cart-service' || true
await 10 sh -c "docker exec $box systemctl show -p ActiveState --value cart-service | grep -q failed" ||
  not_ok 'wrong settings are not tried again and again'
in_box sh -c 'sed -i \$d /etc/cart-service.conf; systemctl restart cart-service'
await 20 in_box cart-service healthcheck || not_ok 'it runs with right ones'
in_box systemctl restart stock-service
[[ $(in_box systemctl show -p ExecMainStatus --value stock-service) == 0 ]] || not_ok 'a stop ends with 0'
ok 'reload, kill, wrong settings and restart do what they should'
before=$(in_box systemctl show -p MainPID --value cart-service)
in_box sh -c 'dpkg -i /packages/cart-service_*.deb' >"$work/apt.log" 2>&1 || not_ok "an upgrade: $(cat "$work/apt.log")"
await 20 in_box cart-service healthcheck || not_ok 'it runs after an upgrade'
[[ $(in_box systemctl show -p MainPID --value cart-service) != "$before" ]] || not_ok 'an upgrade restarts it'
verify >/dev/null || not_ok "nothing is missing after an upgrade: $(verify)"
ok 'an upgrade restarts it and loses nothing'

in_box apt-get -q -y remove $programs >"$work/apt.log" 2>&1 || not_ok "remove: $(tail -n 5 "$work/apt.log")"
for name in $programs; do
  ! in_box systemctl is-active -q "$name" || not_ok "$name is stopped"
  ! in_box test -e "/usr/bin/$name" || not_ok "$name is gone"
  in_box test -e "/etc/$name.conf" || not_ok "the settings of $name stay"
  in_box test -n "$(in_box ls -A "/var/lib/$name")" || not_ok "the data of $name stays"
done
ok 'removed, settings and data stay'
install || not_ok 'they install again'
for name in $programs; do
  await 30 in_box "$name" healthcheck || not_ok "$name is ready again"
done
verify >/dev/null || not_ok "nothing is missing after installing again: $(verify)"
ok 'installed again, they go on where they were'
in_box apt-get -q -y purge $programs >"$work/apt.log" 2>&1 || not_ok "purge: $(tail -n 5 "$work/apt.log")"
for name in $programs; do
  ! in_box test -e "/etc/$name.conf" || not_ok "the settings of $name are gone"
  in_box test -n "$(in_box ls -A "/var/lib/$name")" || not_ok "the data of $name stays after a purge"
  grep -q "$name: /var/lib/$name stays, it holds data" "$work/apt.log" || not_ok 'a purge says what stays'
  left=$(in_box find / -xdev \( -path /proc -o -path /sys -o -path /var/lib/dpkg -o -path "/var/lib/$name" -o -path /packages \
    -o -path /var/log -o -path /run \) -prune -o -name "*$name*" -print)
  [[ -z $left ]] || not_ok "nothing of $name is left: $left"
done
ok 'purged, only the data stays, and that is said'

# What the tests with Docker share; each sources it. Not run by itself.
# shellcheck shell=bash

source_tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034 # for those who source it
engine=$source_tree/tests/docker/engine

ok() { echo "ok - $*"; }
skipped() { echo "skipped - $*"; }

look_around() { :; } # what helps to understand a failure: a test writes its own

not_ok() {
  echo "not ok - $*"
  look_around
  exit 1
}

await() { # seconds command...
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.3
  done
}

ask() { curl -sS --noproxy '*' -m 5 "$@"; }

# What is in the working tree, committed or not, as a newcomer would have it.
copy_tree() { # to-folder
  mkdir "$1"
  (cd "$source_tree" && git ls-files -z -co --exclude-standard |
    while IFS= read -r -d '' file; do [[ ! -e $file ]] || printf '%s\0' "$file"; done |
    tar -c --null -T -) | tar -x -C "$1"
}

# The block of a document behind the comment that names its test, so that what is tested is what an
# operator types. Inside $(...) the caller's errexit ends the test.
block() { # document comment
  local found
  found=$(awk -v comment="<!-- $2 -->" '$0 == comment { at = NR } at && NR > at + 1 { if ($0 == "```") exit; print }' "$source_tree/$1")
  [[ $found ]] || not_ok "$1 has the comment '$2' and a block behind it" >&2
  echo "$found"
}

# --- the shop in containers -------------------------------------------------------------------------

need_compose() {
  ! "$engine" all || return 0
  # On a machine that could have an engine (root on Debian) it is a failure, not a reason to skip.
  ((EUID != 0)) || not_ok 'a Docker engine can be had here'
  skipped 'Docker: no engine here, and only root can start one'
  exit 77
}

shop_names='zookeeper|kafka1|kafka2|kafka-topic|cart|stock|metrics-consumer'

no_shop_is_there() {
  local existing
  existing=$(docker ps -a --format '{{.Names}}' | grep -Ex "$shop_names" | tr '\n' ' ' || true)
  [[ -z $existing ]] || not_ok "no containers of the shop are there before the test: $existing"
  # An empty network of an earlier run; one that is used stays, and its next use says so.
  docker network rm shared-net >/dev/null 2>&1 || true
}

# `docker-compose`, as the documents write it, is Compose v2 here.
write_compose() { # folder for the program
  mkdir "$1"
  printf '#!/bin/sh\nexec docker compose "$@"\n' >"$1/docker-compose"
  chmod +x "$1/docker-compose"
  export PATH=$1:$PATH
}

remove_shop() { # tree
  [[ ! -d $1 ]] || (cd "$1" && docker compose down -v --remove-orphans --timeout 10) || true
  [[ ! -d $1 ]] || (cd "$1/kafka" && docker compose down -v --remove-orphans --timeout 10) || true
  docker network rm shared-net || true
}

healthy() { [[ $(docker inspect -f '{{.State.Health.Status}}' "$1") == healthy ]]; }
in_sync() { [[ $(docker exec kafka2 /opt/kafka/ask topic kafka2:9092 metrics | grep -c 'isr=.*,') == 2 ]]; }
verify() {
  docker exec metrics-consumer metrics-consumer verify
}

#!/usr/bin/env bash
# The images' SBOMs say what dpkg in each image says: nothing more, nothing less, and our program.
# Prints a line a claim; exit status 1 on the first that does not hold.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/shop.sh"
cd "$source_tree"

((EUID == 0)) || { skipped 'sbom: only root can start a Docker engine'; exit 77; }
"$engine" up && "$engine" base || not_ok 'a Docker engine can be had here'
work=$(mktemp -d "${TMPDIR:-/tmp}/sbom.XXXXXX")
trap 'rm -rf "$work"' EXIT

run/images cart stock metrics-consumer >"$work/sizes" 2>"$work/log" || { tail -n 20 "$work/log"; not_ok 'the images can be built'; }
while read -r line; do ok "$line"; done <"$work/sizes"
platform=$(docker version --format '{{.Server.Arch}}')
for name in cart stock metrics-consumer; do
  image=shop/$name:$platform
  program=$name
  [[ $name == metrics-consumer ]] || program=$name-service
  run/sbom --directory "$work" "$image" >/dev/null || not_ok "an SBOM of $image can be made"
  docker run --rm --network none --entrypoint dpkg-query "$image" -W -f '${Package}=${Version}\n' | sort >"$work/inside"
  python3 - "$work/inside" "$work/shop_${name}_$platform.spdx.json" "$program" \
    "$(docker image inspect --format '{{.Id}}' "$image")" <<'PYTHON' || not_ok "the SBOM of $image is what is in it"
import json
import sys

inside, path, program, digest = sys.argv[1:]
document = json.load(open(path))
found = sorted(f"{each['name']}={each['versionInfo']}" for each in document["packages"]
               if each["SPDXID"].startswith("SPDXRef-deb-"))
wanted = open(inside).read().splitlines()
assert len(wanted) > 50 and found == sorted(wanted), set(found) ^ set(wanted)
assert [each for each in document["packages"] if each["name"] == program], program
assert digest.endswith(document["packages"][0]["checksums"][0]["checksumValue"])
ids = [each["SPDXID"] for each in document["packages"]]
assert len(ids) == len(set(ids)), "an id twice"
related = {each["relatedSpdxElement"] for each in document["relationships"]}
assert related == set(ids), related ^ set(ids)
PYTHON
done
ok 'each SBOM lists what dpkg in the image knows, and the program'

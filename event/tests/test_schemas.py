"""The reader in C and the JSON Schemas say the same of every example and of thousands of
mutations of them. The one difference they may have is written in `reader_is_narrower`."""
import copy
import json
import pathlib
import subprocess
import sys

import jsonschema

ROOM = pathlib.Path(__file__).resolve().parent.parent
SCHEMAS = {p.name: json.loads(p.read_text()) for p in (ROOM / "schemas").glob("*.schema.json")}
STORE = {s["$id"]: s for s in SCHEMAS.values()}
EXAMPLES = [json.loads(p.read_text()) for p in sorted((ROOM / "examples").glob("*.json"))]
N = 9007199254740991

# Values of every kind and at every edge, put in the place of each field.
ODD = [None, True, False, 0, -0.0, 1, -1, 2.0, 2.5, 1e3, 1e300, -1e300, N, N + 1, -N, N // 100,
       N // 100 + 1, 99999999999999, 0.001, "", " ", "x", "success", "failed", "cart", "stock",
       "cart_item_added", "sku_created", "order_paid", "a" * 1024, "a" * 1025, "\u0000", "a\u0000b",
       "\u00e9", "\U0001f6d2", "line\nbreak", [], {}, [1], {"sku": "A"},
       "2025-07-08T19:15:32Z", "2025-07-08T19:15:32.1Z", "2025-07-08T19:15:32.123456789Z",
       "2025-07-08T19:15:32+00:00", "2025-07-08T19:15:32+01:00", "2025-07-08T19:15:32-00:00",
       "2025-07-08T19:15:32", "2025-07-08 19:15:32Z", "2025-07-08T19:15:32.Z",
       "2025-13-08T19:15:32Z", "2025-07-32T19:15:32Z", "2025-07-08T24:00:00Z",
       "2025-07-08T23:59:60Z", "2025-07-08t19:15:32z", "20250708T191532Z"]


def mutations():
    for example in EXAMPLES:
        yield example
        for path in [()] + [(k,) for k in example] + [("payload", k) for k in example["payload"]]:
            if not path:
                yield from ODD
                continue
            gone = copy.deepcopy(example)
            holder = gone if len(path) == 1 else gone["payload"]
            del holder[path[-1]]
            yield gone
            for value in ODD:
                other = copy.deepcopy(example)
                holder = other if len(path) == 1 else other["payload"]
                holder[path[-1]] = value
                yield other
        for extra in ODD:
            more = copy.deepcopy(example)
            more["extra"] = extra
            more["payload"]["extra"] = extra
            yield more


def schema_says(value):
    name = value.get("type") if isinstance(value, dict) else None
    schema = SCHEMAS.get(f"{name}.schema.json") if isinstance(name, str) else None
    schema = schema or SCHEMAS["envelope.schema.json"]
    resolver = jsonschema.RefResolver(base_uri="", referrer=schema, store=STORE)
    return jsonschema.Draft202012Validator(schema, resolver=resolver).is_valid(value)


def reader_is_narrower(value):
    """Year 0 and days a month does not have: no pattern says that."""
    return isinstance(value, dict) and str(value.get("timestamp", "")).startswith("2025-02-3")


def main():
    for schema in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    values = list(mutations())
    lines = "".join(json.dumps(v) + "\n" for v in values)
    out = subprocess.run([sys.argv[1]], input=lines, capture_output=True, text=True, check=True)
    verdicts = out.stdout.splitlines()
    assert len(verdicts) == len(values), "a verdict for each value"
    seen = set()
    for value, verdict in zip(values, verdicts):
        seen.add(verdict)
        if (verdict == "sound") != schema_says(value) and not reader_is_narrower(value):
            sys.exit(f"the reader says {verdict}, the schema {schema_says(value)}: {json.dumps(value)}")
    wanted = {"sound", "not_object", "missing_field", "wrong_kind", "out_of_range"}
    assert wanted <= seen, f"verdicts never met: {wanted - seen}"
    print(f"{len(values)} values: reader and schemas agree; verdicts met: {', '.join(sorted(seen))}")


main()

"""The AsyncAPI document of the topic is sound, and says what event/ says.

  held VERDICT      its messages, partitions and examples beside those of the code
  parsed DIRECTORY  AsyncAPI's own parser, installed there, finds no fault in it; exit status 77
                    where it is not installed"""
import json
import pathlib
import shutil
import subprocess
import sys

import jsonschema

ROOM = pathlib.Path(__file__).resolve().parent.parent
PATH = ROOM / "asyncapi.json"
DOCUMENT = json.loads(PATH.read_text())
OLD = "asyncapi-latest-version"  # 3.0 is what is wanted


def held(verdict):
    said = subprocess.run([verdict, "--types"], capture_output=True, text=True, check=True).stdout
    types = {name: (service, int(partition))
             for name, service, partition in (line.split() for line in said.splitlines())}
    channel = DOCUMENT["channels"]["metrics"]
    assert channel["bindings"]["kafka"]["partitions"] == len({p for _, p in types.values()})
    assert set(channel["messages"]) == set(DOCUMENT["components"]["messages"]) == set(types), \
        "a message for each type"
    written = {}
    for name in ("cart", "stock"):
        operation = DOCUMENT["operations"][f"{name}Writes"]
        for message in operation["messages"]:
            written[message["$ref"].split("/")[-1]] = name, operation["x-partition"]
    assert written == types, f"written by whom and where: {written}, not {types}"
    read = DOCUMENT["operations"]["consumerReads"]["messages"]
    assert len(read) == len(types), "the consumer reads all"
    for name, (service, _) in types.items():
        judge_message(name, service)
    print(f"{len(types)} types: the document says of them what the code does")


def judge_message(name, service):
    message = DOCUMENT["components"]["messages"][name]
    headers = message["headers"]["properties"]
    assert headers["ce_type"]["const"] == message["name"] == name
    assert headers["ce_source"]["pattern"].startswith(f"^{service}/"), name
    assert message["payload"]["$ref"] == f"schemas/{name}.schema.json", name
    schemas = {path.name: json.loads(path.read_text())
               for path in (ROOM / "schemas").glob("*.schema.json")}
    example = json.loads((ROOM / "examples" / f"{name}.json").read_text())
    schema = schemas[f"{name}.schema.json"]
    resolver = jsonschema.RefResolver(base_uri="", referrer=schema, store=schemas)
    jsonschema.Draft202012Validator(schema, resolver=resolver).validate(example)
    key = message["bindings"]["kafka"]["key"]
    field = key["description"].split("`")[1]
    jsonschema.validate(example["payload"][field], {k: key[k] for k in ("type", "pattern")})


def parsed(directory):
    package = pathlib.Path(directory) / "node_modules" / "@asyncapi" / "parser"
    node = shutil.which("node")
    if not node or not package.exists():
        print("skipped: AsyncAPI's parser is not installed: run/setup --documents")
        sys.exit(77)
    run = subprocess.run([node, ROOM / "tests" / "parse_asyncapi.mjs", directory, PATH],
                         capture_output=True, text=True, timeout=50)
    if run.returncode != 0:
        sys.exit(run.stdout + run.stderr)
    found = json.loads(run.stdout)
    wrong = [each for each in found["diagnostics"] if each["code"] != OLD]
    for each in wrong:
        print(each["severity"], each["code"], each["message"], each["path"])
    assert not wrong, "the parser has something to say"
    assert set(found["types"]) == set(DOCUMENT["components"]["messages"])
    for name, message in found["types"].items():
        assert message["payload"]["properties"]["type"]["const"] == name, "it read the schema"
    print(f"the parser finds no fault, and {len(found['types'])} messages")


{"held": held, "parsed": parsed}[sys.argv[1]](sys.argv[2])

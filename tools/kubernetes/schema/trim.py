#!/usr/bin/env python3
"""Makes api.json of what ts-json-schema-generator has written, as README.md says: trim.py FILE... > api.json"""
import json
import sys

DROPPED = ("description", "format", "deprecated")


def trimmed(node):
    """Without texts, and without what the cluster itself writes. A property may be named `description`, too."""
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if key not in DROPPED}
    for key, value in kept.items():
        if key == "properties":
            kept[key] = {name: trimmed(inner) for name, inner in value.items() if name != "status"}
        elif isinstance(value, dict):
            kept[key] = trimmed(value)
        elif isinstance(value, list):
            kept[key] = [trimmed(item) for item in value]
    return kept


def used(definitions, roots):
    """Those of `definitions` that `roots` lead to."""
    found, left = set(), list(roots)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [part.split('"')[0] for part in json.dumps(definitions[name]).split('"#/definitions/')[1:]]
    return sorted(found)


def main(files):
    groups = []
    for file in files:
        with open(file, encoding="utf-8") as text:
            definitions = {name: trimmed(node) for name, node in json.load(text)["definitions"].items()}
        kinds = {kind: node["$ref"] for kind, node in definitions["Kinds"]["properties"].items()}
        names = used(definitions, [reference.rsplit("/", 1)[1] for reference in kinds.values()])
        lines = [f'"{name}":{json.dumps(definitions[name], separators=(",", ":"), sort_keys=True)}' for name in names]
        groups.append('{"kinds":' + json.dumps(kinds, sort_keys=True) + ',\n"definitions":{\n' + ",\n".join(lines) + "\n}}")
    print("[" + ",\n".join(groups) + "]")


if __name__ == "__main__":
    main(sys.argv[1:])

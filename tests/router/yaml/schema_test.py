#!/usr/bin/python3
"""Tests the JSON Schema of the configuration file: valid itself, takes the good files, refuses slips."""

import json
import pathlib
import subprocess
import sys

import jsonschema
import yaml

_FOLDER = pathlib.Path("tests/router/yaml")
# Broken files whose mistake is of a kind that a schema can tell.
_REFUSED = [
    "unknown-key-at-the-top", "unknown-key-in-a-list", "nothing-that-is-required", "empty-lists",
    "list-for-a-value", "value-for-a-list", "durations", "numbers-out-of-range",
    "fraction-out-of-range", "unknown-word-of-a-list", "tls-versions", "timeout-that-cannot-be-off",
]


def main(program):
    schema = json.loads(subprocess.check_output([program, "--json-schema"]))
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    failures = 0
    for path in sorted((_FOLDER / "good").glob("*.yaml")):
        for error in validator.iter_errors(yaml.safe_load(path.read_text())):
            print(f"{path.name} is good, but: {error.json_path}: {error.message}")
            failures += 1
    for name in _REFUSED:
        if validator.is_valid(yaml.safe_load((_FOLDER / "broken" / f"{name}.yaml").read_text())):
            print(f"{name} is accepted")
            failures += 1
    return failures


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1]) else 0)

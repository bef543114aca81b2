#!/usr/bin/env python3
# Runs clang-tidy-14 over the files of compile_commands.json, several at a time; exits 1 on any finding.
# Called by tools/lint/clang_tidy from the root of the tree.
"""Passes are remembered under ~/.cache/tlsbridge by a hash of all that clang-tidy read."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys

_TIDY = "clang-tidy-14"
_CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
_PASSED = _CACHE / "tlsbridge" / "clang_tidy"


def _fingerprint(entry, settings):
    """A hash of checks, options and preprocessed text, comments (NOLINT) included; None if it has none."""
    arguments = ["clang++-14", *entry["arguments"][1:], "-E", "-C", "-w"]
    done = subprocess.run(arguments, capture_output=True, check=False)
    if done.returncode != 0:
        return None
    # Line markers name this checkout; another one with the same text may share the result.
    text = done.stdout.replace(entry["directory"].encode(), b"")
    options = " ".join(a for a in entry["arguments"] if not a.startswith("/")).encode()
    return hashlib.sha256(b"\0".join([settings, options, text])).hexdigest()


def _check(entry, settings):
    """Returns clang-tidy's findings on one file, or None when it is clean."""
    fingerprint = _fingerprint(entry, settings)
    if fingerprint and (_PASSED / fingerprint).exists():
        return None
    command = [_TIDY, "-p", ".", "--quiet", entry["file"]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return done.stdout or done.stderr
    if fingerprint:
        (_PASSED / fingerprint).touch()
    return None


def main(wanted):
    with open("compile_commands.json", encoding="utf-8") as file:
        entries = json.load(file)
    if wanted:
        wanted = {os.path.relpath(path) for path in wanted}
        entries = [entry for entry in entries if entry["file"] in wanted]
    version = subprocess.run([_TIDY, "--version"], capture_output=True, check=True).stdout
    settings = version + pathlib.Path(".clang-tidy").read_bytes()
    _PASSED.mkdir(parents=True, exist_ok=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for findings in pool.map(lambda entry: _check(entry, settings), entries):
            if findings is not None:
                failed += 1
                print(findings)
    print(f"clang-tidy: {len(entries)} files, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

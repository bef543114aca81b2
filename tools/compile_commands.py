#!/usr/bin/env python3
# Turns Bazel's C++ compile actions into a compilation database on standard output:
# tools/compile_commands.py AQUERY_JSON ROOT OUTPUT_BASE EXECUTION_ROOT
"""External sources are named below the output base, since Bazel prunes their links in the execution root."""

import json
import sys

# GCC's, newer than clangd's or of no use outside the build. -Werror goes because .clang-tidy says what is an error.
_DROP = {"-fno-canonical-system-headers", "-Wno-free-nonheap-object", "-MD", "-Werror", "-c",
         "-flto=thin", "-ffat-lto-objects"}
_DROP_PREFIXES = ("-frandom-seed=", "-D__DATE__=", "-D__TIME__=", "-D__TIMESTAMP__=")
_DROP_WITH_VALUE = {"-MF", "-o"}
_PATH_OPTIONS = ("-iquote", "-isystem", "-I")


def _resolve(path, output_base, execution_root):
    if path.startswith("external/"):
        return f"{output_base}/{path}"
    if path.startswith("bazel-out/"):
        return f"{execution_root}/{path}"
    return path


def translate(arguments, output_base, execution_root):
    """The arguments of one compile action as clang understands them from the root of the tree."""
    result = []
    words = iter(arguments)
    for word in words:
        if word in _DROP or word.startswith(_DROP_PREFIXES):
            continue
        if word in _DROP_WITH_VALUE:
            next(words)
        elif word in _PATH_OPTIONS:
            result += [word, _resolve(next(words), output_base, execution_root)]
        elif word.startswith("-I"):
            result.append("-I" + _resolve(word[2:], output_base, execution_root))
        else:
            result.append(_resolve(word, output_base, execution_root))
    return result


def database(actions, root, output_base, execution_root):
    """One entry for each of our .cc files. A file that several targets compile appears once."""
    entries = {}
    for action in actions:
        arguments = action["arguments"]
        source = arguments[arguments.index("-c") + 1]
        if source.endswith(".cc") and not source.startswith(("external/", "bazel-out/")):
            entries[source] = {
                "directory": root,
                "file": source,
                "arguments": translate(arguments, output_base, execution_root),
            }
    return [entries[source] for source in sorted(entries)]


def main(argv):
    with open(argv[1], encoding="utf-8") as file:
        actions = json.load(file).get("actions", [])
    json.dump(database(actions, *argv[2:5]), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(sys.argv)

#!/usr/bin/python3
"""Tests how tools/compile_commands.py rewrites one of Bazel's compile actions."""

import unittest

from tools import compile_commands

_ARGUMENTS = [
    "/usr/bin/gcc", "-O2", "-MD", "-MF", "bazel-out/bin/a.d", "-frandom-seed=bazel-out/bin/a.o", "-D__DATE__=\"redacted\"",
    "-iquote", ".", "-iquote", "external/boringssl", "-isystem", "external/boringssl/src/include",
    "-Ibazel-out/bin", "-Werror", "-fno-canonical-system-headers", "-c", "tls/a.cc",
    "-o", "bazel-out/bin/a.o"
]


class CompileCommandsTest(unittest.TestCase):

    def test_paths_are_absolute_outside_the_tree_and_outputs_are_dropped(self):
        self.assertEqual(
            compile_commands.translate(_ARGUMENTS, "/base", "/exec"),
            ["/usr/bin/gcc", "-O2", "-iquote", ".", "-iquote", "/base/external/boringssl",
             "-isystem", "/base/external/boringssl/src/include", "-I/exec/bazel-out/bin",
             "tls/a.cc"])

    def test_only_our_sources_and_each_once(self):
        external = [word.replace("tls/a.cc", "external/boringssl/b.cc") for word in _ARGUMENTS]
        actions = [{"arguments": words} for words in (_ARGUMENTS, external, _ARGUMENTS)]
        entries = compile_commands.database(actions, "/root", "/base", "/exec")
        self.assertEqual([(e["file"], e["directory"]) for e in entries], [("tls/a.cc", "/root")])


if __name__ == "__main__":
    unittest.main()

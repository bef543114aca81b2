#!/usr/bin/env python3
"""The manual's pages: man reads them without a warning, and they have every command, flag and key."""
import json
import os
import re
import subprocess
import tempfile
import unittest

PROGRAM = os.path.realpath(os.environ["TLSBRIDGE_BINARY"])
PLAIN = dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="200", MAN_KEEP_FORMATTING="", TERM="dumb")


def program(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=True).stdout


def read(page):
    """The page as a reader sees it, and what man complains of."""
    with tempfile.NamedTemporaryFile("w", suffix=".1", dir=os.environ.get("TEST_TMPDIR")) as file:
        file.write(program("man", page))
        file.flush()
        result = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", file.name],
                                capture_output=True, check=True, env=PLAIN)
        text = subprocess.run(["man", "-E", "UTF-8", "-l", "-P", "cat", file.name], capture_output=True, text=True,
                              check=True, env=PLAIN).stdout
    return re.sub(r"\x1b\[[0-9;]*m|.\x08", "", text).replace("\u2010", "-"), result.stderr.decode()


def commands():
    return re.findall(r"^  tlsbridge ([a-z-]+) {2,}\S", program("--help"), re.MULTILINE)


def key_names(schema):
    for name, inner in schema.get("properties", {}).items():
        yield name
        yield from key_names(inner.get("items", inner))


class ManTest(unittest.TestCase):
    def test_man_has_nothing_to_complain_of(self):
        for page in "1", "5":
            text, warnings = read(page)
            self.assertEqual(warnings, "")
            self.assertGreater(len(text.splitlines()), 200)

    def test_the_program_has_every_command_and_flag(self):
        text, _ = read("1")
        self.assertGreater(len(commands()), 10)
        for command in commands():
            self.assertRegex(text, rf"(?m)^ +tlsbridge {command}\b")
            for flag in re.findall(r"^  (--[a-z0-9-]+)$", program(command, "--help"), re.MULTILINE):
                self.assertRegex(text, rf"(?m)^ +{flag}\b", command)

    def test_a_flag_that_commands_share_is_told_of_once(self):
        text, _ = read("1")
        for flag in "--cert", "--drain-timeout", "--admin":
            self.assertEqual(len(re.findall(rf"(?m)^ +{flag}\b(?!-)", text)), 1, flag)

    def test_the_program_has_what_surrounds_it(self):
        text, _ = read("1")
        for heading in "NAME", "SYNOPSIS", "COMMANDS", "EXIT STATUS", "SIGNALS", "ENVIRONMENT", "FILES", "SEE ALSO":
            self.assertRegex(text, rf"(?m)^{heading}$")
        self.assertIn("SIGHUP", text)
        self.assertIn("TLSBRIDGE_ADMIN", text)

    def test_the_configuration_has_every_key_with_its_type_and_default(self):
        text, _ = read("5")
        keys = set(key_names(json.loads(program("check", "--json-schema"))))
        self.assertGreater(len(keys), 60)
        for key in keys:
            self.assertRegex(text, rf"(?m)^ +{key}\b")
        self.assertRegex(text, r"(?m)^ +drain_timeout\n +duration, 0 or more; default 25s; for example 50s$")
        self.assertRegex(text, r"(?m)^ +listeners: \[\{address: \"0\.0\.0\.0:993\"\}\]$")
        self.assertNotIn("**", re.sub(r"/\*\*", "", text))

    def test_there_are_two_pages(self):
        result = subprocess.run([PROGRAM, "man", "8"], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 2)


if __name__ == "__main__":
    unittest.main()

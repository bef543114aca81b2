#!/usr/bin/env python3
"""Each shell takes its completion, and offers what --help lists."""
import os
import re
import subprocess
import tempfile
import unittest

PROGRAM = os.path.realpath(os.environ["TLSBRIDGE_BINARY"])


def output(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=True, **options).stdout


def program(*arguments):
    return output(PROGRAM, *arguments)


def commands():
    return re.findall(r"^  tlsbridge ([a-z-]+) {2,}\S", program("--help"), re.MULTILINE)


def flags(command):
    return re.findall(r"^  --([a-z0-9-]+)$", program(command, "--help"), re.MULTILINE)


class CompletionTest(unittest.TestCase):
    def setUp(self):
        # pylint: disable-next=consider-using-with
        self.folder = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        self.addCleanup(self.folder.cleanup)

    def script(self, shell):
        path = os.path.join(self.folder.name, "script." + shell)
        with open(path, "w", encoding="utf-8") as file:
            file.write(program("completion", shell))
        return path

    def in_bash(self, *words):
        """What bash offers for the last of `words`, split as it splits a line."""
        asked = " ".join(f"'{word}'" for word in words)
        return output("bash", "-c", f"source {self.script('bash')}; COMP_WORDS=({asked}); "
                      f"COMP_CWORD={len(words) - 1}; _tlsbridge; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
                      cwd=self.folder.name).split()

    def in_fish(self, line):
        home = dict(os.environ, HOME=self.folder.name, XDG_CONFIG_HOME=self.folder.name,
                    XDG_DATA_HOME=self.folder.name)
        text = output("fish", "--no-config", "-c", f"source {self.script('fish')}; complete -C '{line}'",
                      env=home, cwd=self.folder.name)
        return [offer.split("\t")[0] for offer in text.splitlines()]

    def in_zsh(self, *words):
        """What the function hands to zsh's own functions, a line each, while `words` are typed."""
        stubs = "_arguments() { print -rl -- \"$@\"; state=$wanted; }; _describe() { print -rl -- $commands; }"
        wanted = "command" if len(words) < 3 else "arguments"
        typed = " ".join(f"'{word}'" for word in words[1:])
        return output("zsh", "-f", "-c", f"{stubs}; compdef() {{ }}; source {self.script('zsh')}; "
                      f"wanted={wanted}; words=({typed}); _tlsbridge").splitlines()

    def test_bash_offers_every_command_and_flag(self):
        self.assertGreater(len(commands()), 10)
        self.assertLessEqual(set(commands()), set(self.in_bash("tlsbridge", "")))
        for command in commands():
            offered = self.in_bash("tlsbridge", command, "--")
            self.assertLessEqual({"--" + flag for flag in flags(command)}, set(offered), command)

    def test_bash_offers_values(self):
        self.assertEqual(self.in_bash("tlsbridge", "sidecar", "--min-tls", ""), ["1.2", "1.3"])
        self.assertEqual(self.in_bash("tlsbridge", "sidecar", "--min-tls", "=", "1.3"), ["1.3"])
        self.assertEqual(self.in_bash("tlsbridge", "sidecar", "--min-tls", "="), ["1.2", "1.3"])
        self.assertEqual(self.in_bash("tlsbridge", "log-level", "d"), ["debug"])
        self.assertEqual(self.in_bash("tlsbridge", "sidecar", "--listen", ""), [])
        self.assertIn("script.bash", self.in_bash("tlsbridge", "run", "--config", "script"))

    def test_fish_offers_every_command_and_flag(self):
        output("fish", "--no-execute", self.script("fish"))
        self.assertLessEqual(set(commands()), set(self.in_fish("tlsbridge ")))
        for command in commands():
            offered = self.in_fish(f"tlsbridge {command} --")
            self.assertLessEqual({"--" + flag for flag in flags(command)}, set(offered), command)
        self.assertEqual(self.in_fish("tlsbridge sidecar --min-tls "), ["1.2", "1.3"])
        self.assertIn("script.fish", self.in_fish("tlsbridge run --config script"))

    def test_zsh_offers_commands_and_flags(self):
        output("zsh", "-n", self.script("zsh"))
        offered = [line.split(":")[0] for line in self.in_zsh("tlsbridge", "")]
        self.assertLessEqual(set(commands()), set(offered))
        for command in commands():
            offered = {re.split(r"[=\[]", line.lstrip("*"))[0] for line in self.in_zsh("tlsbridge", command, "")}
            self.assertLessEqual({"--" + flag for flag in flags(command)}, offered, command)
        offered = self.in_zsh("tlsbridge", "sidecar", "")
        self.assertIn("--min-tls=[Minimum version of TLS]:value:(1.2 1.3)", offered)

    def test_other_shells_are_refused(self):
        result = subprocess.run([PROGRAM, "completion", "tcsh"], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn("use bash, zsh or fish", result.stderr)


if __name__ == "__main__":
    unittest.main()

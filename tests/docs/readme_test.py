#!/usr/bin/env python3
"""The README's commands, run one after the other in an empty folder, as somebody would who types them."""
import os
import pathlib
import random
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.path.realpath(os.environ["TLSBRIDGE_BINARY"])
README = pathlib.Path("README.md").read_text()

# What cannot be run here, and why. A block marked sh is run, one without a mark must be here as a whole.
NOT_RUN = {
    "tools/run": "builds with Bazel, which runs this test; .ci/run has it as a step of its own",
    "tools/test": "runs this test; .ci/run calls it",
    "tools/package": "builds with Bazel; //tests/tools/packaging makes and installs both",
    "apt": "changes the machine",
    "podman": "needs the image; //tests/tools/packaging runs it",
    "editor": "waits for somebody",
    "systemctl": "needs a systemd; //tests/tools/packaging and //tests/tools/systemd have one",
    "useradd": "changes the machine",
    "install": "changes the machine",
    "kubectl": "needs a cluster; //tests/tools/kubernetes checks what it is given",
}
# Of those that are run, the exit codes that are not 0.
EXIT_CODES = {
    "tlsbridge doctor": 1,  # the second backend's socket and the name of the other route are not there
}
# Ports of the README: each becomes one that is free.
PORTS = ("8080", "8443", "8444", "8445", "9901")


def blocks():
    """(language, the line before, text) of each block."""
    return re.findall(r"([^\n]*)\n```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands(text):
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def free_ports(number):
    """Below those that the kernel gives to whoever asks for any, since another test may do so before they are used."""
    ports = []
    for port in random.sample(range(20000, 32000), 1000):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        ports.append(str(port))
        if len(ports) == number:
            break
    return ports


def wait_for(port):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", int(port)), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"nothing listens on {port}")


class Shell:
    """One bash, as a terminal has it: jobs and variables stay."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "bin/tlsbridge").symlink_to(PROGRAM)
        environment = {"PATH": f"{folder}/bin:/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
        environment.update({name: os.environ[name] for name in os.environ if name.endswith("SAN_OPTIONS")})
        self.bash = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
                                     env=environment, start_new_session=True)
        self.number = 0

    def run(self, command):
        """Its exit code, and what it printed."""
        self.number += 1
        out = self.folder / f"out.{self.number}"
        self.bash.stdin.write(f"{{ {command}\n}} >{out} 2>&1 </dev/null\necho $?\n")
        self.bash.stdin.flush()
        return int(self.bash.stdout.readline()), out.read_text

    def close(self):
        os.killpg(self.bash.pid, signal.SIGKILL)
        self.bash.communicate()


class ReadmeTest(unittest.TestCase):
    def test_every_command_runs(self):
        ports = dict(zip(PORTS, free_ports(len(PORTS))))

        def here(text):
            return re.sub(r"(?<=:)(%s)\b|(?<=http.server )(%s)\b" % ("|".join(PORTS), "|".join(PORTS)),
                          lambda found: ports[found[0]], text)

        ran = 0
        with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR")) as folder:
            shell = Shell(pathlib.Path(folder))
            self.addCleanup(shell.close)
            for before, language, text in blocks():
                if language == "yaml":
                    name = re.findall(r"`(\w+\.yaml)`", before)[-1]
                    (pathlib.Path(folder) / name).write_text(here(text))
                    continue
                if language != "sh":
                    continue
                for command in commands(text):
                    code, output = shell.run(here(command))
                    expected = next((of for begin, of in EXIT_CODES.items() if command.startswith(begin)), 0)
                    self.assertEqual(code, expected, f"{command}\n{output()}")
                    in_background = command.split("  #")[0].rstrip().endswith("&")
                    if in_background:
                        listens = re.findall(r"--listen \S+:(\d+)|http\.server (\d+)|--admin-listen \S+:(\d+)", command)
                        for port in ["".join(groups) for groups in listens] or ["8444"]:
                            wait_for(ports[port])
                    shown = re.search(r"# (hello)$", command)
                    if shown:
                        self.assertEqual(output().strip(), shown[1], command)
                    ran += 1
            self.assertGreater(ran, 12)
            out = [(pathlib.Path(folder) / f"out.{i}").read_text() for i in range(1, shell.number + 1)]
            self.check_what_they_printed("\n".join(out))

    def check_what_they_printed(self, everything):
        """What the README says of its commands."""
        for part in ("ok: 1 listener, 2 routes, 3 backends, 1 certificate",  # check
                     "allowed by uri:spiffe://prod/ns/*/sa/orders",  # explain
                     "allowed_by=uri:spiffe://prod/ns/*/sa/orders",  # the log
                     "detail=plain_http"):  # failures
            self.assertIn(part, everything)

    def test_what_is_not_run_has_its_reason(self):
        unused = set(NOT_RUN)
        for _, language, text in blocks():
            self.assertIn(language, ("", "sh", "yaml"))
            for command in commands(text) if language == "" else []:
                for part in command.split("&&"):
                    word = shlex.split(part, comments=True)[0]
                    if word == "tlsbridge":  # check, behind an editor
                        continue
                    self.assertIn(word, NOT_RUN, f"{command}: mark its block sh, or say here why it cannot be run")
                    unused.discard(word)
        self.assertEqual(unused, set(), "reasons for what the README does not have")

    def test_defaults_are_those_of_the_program(self):
        helped = subprocess.run([PROGRAM, "sidecar", "--help"], capture_output=True, text=True, check=True).stdout
        real = dict(re.findall(r"^  (--[\w-]+)\n(?:        .*\n)*?        .*?\[([^\]\s]+)\]$", helped, re.MULTILINE))
        rows = re.findall(r"^\| (\w+) \| `(--[\w-]+)` \|", README, re.MULTILINE)
        self.assertGreater(len(rows), 7)
        for value, flag in rows:
            self.assertEqual(real.get(flag), value, flag)

    def test_it_is_short_and_says_how_to_begin(self):
        self.assertLessEqual(len(README.splitlines()), 200)
        for command in "tools/run ", "tools/test ":
            self.assertRegex(README, rf"(?m)^{command}")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""tlsbridge.service under a real systemd, which systemd-nspawn boots from this machine's own /usr in a second: started,
reloaded, confined, killed by the watchdog and by a crash, stopped.

Needs root. Skipped, with the reason, where that is not to be had, unless TLSBRIDGE_REQUIRE_NSPAWN is set."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

UNITS = pathlib.Path("tools/systemd").resolve()
PROGRAM = pathlib.Path(os.environ["TLSBRIDGE_BINARY"]).resolve()
SYSUSERS = pathlib.Path("tools/packaging/debian/sysusers.conf").resolve()
PATIENCE = 30

CONFIG = """
listeners: [{address: "127.0.0.1:443"}]
admin: {address: "unix:/run/tlsbridge/admin"}
shutdown: {drain_timeout: 3s}
routes:
- name: only
  tls: {certificates: [{cert: tls.crt, key: tls.key}]}
  backends: [{address: "127.0.0.1:8080"}]
"""


class Machine:
    """A booted systemd with the unit, a network of its own, and a backend that says hello."""

    def __init__(self, folder):
        self.folder = folder
        etc = folder / "etc"
        etc.mkdir()
        (etc / "tlsbridge.yaml").write_text(CONFIG)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "2", "-subj", "/CN=localhost", "-keyout", etc / "tls.key", "-out", etc / "tls.crt"], check=True,
                       stderr=subprocess.DEVNULL)
        text = (UNITS / "tlsbridge.service").read_text().replace("/usr/bin/tlsbridge", "/opt/tlsbridge")
        # Sooner than an operator would want it.
        (folder / "tlsbridge.service").write_text(text.replace("WatchdogSec=30s", "WatchdogSec=3s"))
        shutil.copy(PROGRAM, folder / "tlsbridge")
        name = f"tlsbridge-test-{os.getpid()}"
        binds = {folder / "tlsbridge": "/opt/tlsbridge", folder / "tlsbridge.service":
                 "/etc/systemd/system/tlsbridge.service", SYSUSERS: "/etc/sysusers.d/tlsbridge.conf"}
        self.log = open(folder / "nspawn.log", "w+b")
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--directory=/", "--volatile=yes", "--boot", "--private-network",
             "--register=no", "--keep-unit",
             "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self", f"--machine={name}", "--console=pipe", f"--bind={etc}:/etc/tlsbridge",
             *[f"--bind-ro={source}:{target}" for source, target in binds.items()], "--", "--unit=basic.target"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def why(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-2000:]

    def leader(self):
        """systemd's pid, as this machine sees it; None where nspawn has ended."""
        while self.nspawn.poll() is None:
            children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
            if children:
                return children[0]
            time.sleep(0.05)
        return None

    def run(self, *command, check=True):
        return subprocess.run(["nsenter", "-t", self.leader() or "0", "-m", "-u", "-i", "-n", "-p", *command],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=check, timeout=60)

    def boots(self):
        deadline = time.monotonic() + PATIENCE
        while self.leader() is not None and time.monotonic() < deadline:
            if self.run("systemctl", "is-active", "basic.target", check=False).stdout.strip() == "active":
                return True
            time.sleep(0.1)
        return False

    def property(self, name):
        return self.run("systemctl", "show", "--property", name, "--value", "tlsbridge").stdout.strip()

    def journal(self):
        return self.run("journalctl", "--no-pager", "--output=cat", "--unit=tlsbridge").stdout

    def end(self):
        leader = self.leader()
        if leader is not None:
            os.kill(int(leader), signal.SIGRTMIN + 4)  # power off
        try:
            self.nspawn.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.nspawn.kill()
            self.nspawn.wait()
        self.log.close()


def until(what):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.1)
    return False


class Service(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        missing = None
        if os.geteuid() != 0:
            missing = "only root can boot a system"
        elif shutil.which("systemd-nspawn") is None:
            missing = "systemd-container is not installed"
        cls.machine = None
        if missing is None:
            cls.machine = Machine(pathlib.Path(cls.scratch.name))
            if not cls.machine.boots():
                missing = "systemd-nspawn boots nothing here: " + cls.machine.why()
        if missing is not None:
            cls.tearDownClass()
            if os.environ.get("TLSBRIDGE_REQUIRE_NSPAWN"):
                raise AssertionError(missing)
            raise unittest.SkipTest(missing)
        # There is no network to wait for.
        cls.machine.run("systemctl", "mask", "systemd-networkd-wait-online.service", "NetworkManager-wait-online.service")
        cls.machine.run("systemd-sysusers", "/etc/sysusers.d/tlsbridge.conf")
        cls.machine.run("chown", "root:tlsbridge", "/etc/tlsbridge/tls.key")
        cls.machine.run("chmod", "640", "/etc/tlsbridge/tls.key")
        cls.machine.run("chmod", "755", "/etc/tlsbridge")
        cls.machine.run("ip", "link", "set", "lo", "up")

    @classmethod
    def tearDownClass(cls):
        if cls.machine is not None:
            cls.machine.end()
        cls.scratch.cleanup()

    def setUp(self):
        started = self.machine.run("systemctl", "start", "tlsbridge", check=False)
        self.assertEqual(started.returncode, 0, self.machine.journal())

    def assertComesBack(self, pid):
        self.assertTrue(until(lambda: self.machine.property("ActiveState") == "active" and
                              self.machine.property("MainPID") not in ("0", pid)), self.machine.journal())

    def kill(self, signal_name):
        pid = self.machine.property("MainPID")
        self.machine.run("sh", "-c", f"kill -{signal_name} {pid}")
        return pid

    def test_started_is_ready_and_confined(self):
        self.assertRegex(self.machine.property("StatusText"), r"^ready\. 0 connections, 1 route$")
        self.assertIn("sandbox=no_new_privs,landlock,seccomp", self.machine.journal())
        status = self.machine.run("cat", f"/proc/{self.machine.property('MainPID')}/status").stdout
        self.assertEqual(re.search(r"CapEff:\t(\w+)", status).group(1), "0000000000000400")  # ports below 1024
        answer = self.machine.run("/opt/tlsbridge", "ready")
        self.assertEqual(answer.returncode, 0, answer.stdout)

    def test_a_reload_is_over_when_it_is_and_changes_nothing_else(self):
        pid = self.machine.property("MainPID")
        self.machine.run("systemctl", "reload", "tlsbridge")
        self.assertTrue(until(lambda: "reloaded" in self.machine.journal()), self.machine.journal())
        self.assertEqual(self.machine.property("MainPID"), pid)
        self.assertTrue(until(lambda: self.machine.property("ActiveState") == "active"))

    def test_the_watchdog_kills_one_that_is_stopped_and_it_comes_back(self):
        before = int(self.machine.property("NRestarts"))
        pid = self.kill("STOP")
        self.assertComesBack(pid)
        self.assertGreater(int(self.machine.property("NRestarts")), before)
        self.assertIn("Watchdog timeout", self.machine.run("journalctl", "--no-pager", "--output=cat").stdout)

    def test_a_crash_is_come_back_from(self):
        pid = self.kill("SEGV")
        self.assertComesBack(pid)

    def test_stopping_is_orderly_and_inside_the_time(self):
        begun = time.monotonic()
        self.machine.run("systemctl", "stop", "tlsbridge")
        self.assertLess(time.monotonic() - begun, 10)
        self.assertEqual(self.machine.property("Result"), "success")
        self.assertIn("summary", self.machine.journal())


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""The Debian package on a machine with systemd: installed, started, upgraded under load, removed."""
import json
import pathlib
import subprocess
import sys
import unittest

from tests.tools.kubernetes.authority import Authority
from tests.tools.packaging import booted, packages
from tests.tools.packaging.podman import eventually

PEERS = pathlib.Path("tests/tools/kubernetes").resolve()
CONFIG = """listeners: [{address: "127.0.0.1:8443"}]
admin: {address: "unix:/run/tlsbridge/admin"}
routes:
- name: orders
  tls: {certificates: [{cert: tls.crt, key: tls.key}]}
  backends: [{address: "127.0.0.1:8080"}]
"""
NAME = "orders.internal"


class DebSystemdTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        booted.need_booted()
        cls.machine = booted.Booted()
        cls.addClassCleanup(cls.machine.close)
        for number, name in enumerate(("first", "newer"), 1):
            packages.make("deb", cls.machine.shared / name, f"0.1.0+test{number}")
        cls.authority = Authority(cls.machine.folder / "authority")
        (cls.machine.shared / "tlsbridge.yaml").write_text(CONFIG)
        for name, text in cls.authority.issue(NAME).items():
            (cls.machine.shared / name).write_text(text)
        cls.peer(PEERS / "service.py")

    @classmethod
    def peer(cls, *command, **options):
        process = cls.machine.start_in_network(sys.executable, *command, **options)
        cls.addClassCleanup(process.wait)
        cls.addClassCleanup(process.kill)
        return process

    def in_machine(self, script):
        return self.machine.run("sh", "-c", script)

    def is_active(self):
        return self.in_machine("systemctl is-active tlsbridge").strip()

    def main_pid(self):
        return self.in_machine("systemctl show --property=MainPID --value tlsbridge").strip()

    # In this order.
    def test_1_it_is_installed_and_starts_nothing(self):
        said = self.in_machine("dpkg --install /shared/first/*.deb && echo installed")
        self.assertTrue(said.endswith("installed\n"), said)
        self.assertEqual(self.is_active(), "inactive")
        self.assertEqual(self.in_machine("systemctl is-enabled tlsbridge").strip(), "disabled")

    def test_2_it_serves_as_its_user(self):
        said = self.in_machine("install -m 644 /shared/tlsbridge.yaml /shared/tls.crt /etc/tlsbridge/ && "
                               "install -m 640 -g tlsbridge /shared/tls.key /etc/tlsbridge/ && "
                               "tlsbridge check --config /etc/tlsbridge/tlsbridge.yaml && systemctl start tlsbridge")
        self.assertEqual(said, "ok: 1 listener, 1 route, 1 backend, 1 certificate\n")
        self.assertEqual(self.is_active(), "active")
        self.assertEqual(self.in_machine("tlsbridge ready"), "ready\n")
        self.assertEqual(self.in_machine(f"ps -o user= -p {self.main_pid()}").strip(), "tlsbridge"[:9])

    def test_3_an_upgrade_loses_nothing(self):
        load = self.peer(PEERS / "load.py", "127.0.0.1:8443", NAME, str(self.authority.path), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
        before = self.main_pid()
        said = self.in_machine("dpkg --install /shared/newer/*.deb && echo installed")
        self.assertTrue(said.endswith("installed\n"), said)
        eventually(lambda: self.main_pid() != before, "another process is the service's")
        self.assertEqual(self.is_active(), "active")
        eventually(lambda: self.in_machine("tlsbridge ready") == "ready\n", "it serves")
        told = json.loads(load.communicate("end\n")[0])
        self.assertEqual(told["failures"], [])
        self.assertGreater(told["requests"], 20)

    def test_4_a_removal_ends_it(self):
        said = self.in_machine("dpkg --remove tlsbridge && echo removed")
        self.assertTrue(said.endswith("removed\n"), said)
        self.assertNotEqual(self.is_active(), "active")
        self.assertEqual(self.in_machine("pgrep -x tlsbridge"), "")


if __name__ == "__main__":
    unittest.main()

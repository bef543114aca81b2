#!/usr/bin/env python3
"""The Debian package: the same bytes each time, nothing for lintian to complain of, and it can be installed, upgraded and
removed, all in a folder."""
import os
import pathlib
import subprocess
import tempfile
import unittest

from tests.tools.packaging import packages


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)


class DebTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # pylint: disable-next=consider-using-with
        cls.folder = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        cls.base = pathlib.Path(cls.folder.name)
        cls.deb = packages.make("deb", cls.base / "first")
        cls.newer = packages.make("deb", cls.base / "newer", "0.1.0+test2")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_two_makes_give_the_same_bytes(self):
        before = os.umask(0o077)
        self.addCleanup(os.umask, before)
        again = packages.make("deb", self.base / "again")
        self.assertEqual(self.deb.name, again.name)
        self.assertEqual(self.deb.read_bytes(), again.read_bytes())

    def test_lintian_has_nothing_to_complain_of(self):
        result = run("lintian", "--allow-root", "--fail-on", "error,warning", "--no-cfg", self.deb)
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_it_depends_on_what_the_program_is_linked_with(self):
        depends = run("dpkg-deb", "--field", self.deb, "Depends").stdout
        self.assertRegex(depends, r"libc6 \(>= [\d.]+\)")
        self.assertIn("libstdc++6", depends)
        self.assertNotIn("ssl", depends)

    def test_it_can_be_installed_upgraded_and_removed(self):
        root = Root(self.base / "root")
        root.dpkg("--install", self.deb)
        config = root.path / "etc/tlsbridge/tlsbridge.yaml"
        self.assertEqual(run(root.path / "usr/bin/tlsbridge", "check", "--config", config).returncode, 0)
        self.assertIn("\ntlsbridge:", (root.path / "etc/passwd").read_text())
        self.assertEqual(root.systemctl(), ["daemon-reload"])  # nothing is enabled, nothing started

        config.write_text(config.read_text().replace("127.0.0.1:8443", "127.0.0.1:9443"))
        root.dpkg("--install", self.newer)
        self.assertIn("9443", config.read_text())
        # What runs, and nothing else, goes on with the new program.
        self.assertEqual(root.systemctl(), [
            "daemon-reload", "list-units --state=active --plain --no-legend tlsbridge.service tlsbridge@*.service",
            "kill --kill-who=main --signal=SIGUSR2 tlsbridge.service",
            "kill --kill-who=main --signal=SIGUSR2 tlsbridge@orders.service"])

        (root.path / "etc/tlsbridge/tls.key").write_text("theirs")
        (root.path / "etc/systemd/system/multi-user.target.wants").mkdir(parents=True)
        enabled = root.path / "etc/systemd/system/multi-user.target.wants/tlsbridge.service"
        enabled.symlink_to("/lib/systemd/system/tlsbridge.service")
        root.dpkg("--remove", "tlsbridge")
        self.assertEqual(root.systemctl(), ["stop tlsbridge*.service tlsbridge*.socket", "daemon-reload"])
        self.assertFalse((root.path / "usr/bin/tlsbridge").exists())
        self.assertIn("9443", config.read_text())

        root.dpkg("--purge", "tlsbridge")
        self.assertFalse(config.exists())
        self.assertFalse(enabled.is_symlink())
        self.assertEqual((root.path / "etc/tlsbridge/tls.key").read_text(), "theirs")

    def test_the_example_in_the_configuration_is_one(self):
        """Without the signs of comments, and with a certificate, it is a service behind TLS."""
        folder = self.base / "example"
        folder.mkdir()
        run("dpkg-deb", "--extract", self.deb, folder)
        text = (folder / "etc/tlsbridge/tlsbridge.yaml").read_text()
        head, example = text.split("#- name: orders")
        lines = [line.removeprefix("#") for line in ("#- name: orders" + example).splitlines()]
        config = folder / "etc/tlsbridge/orders.yaml"
        config.write_text(head.split("routes:")[0] + "routes:\n" + "\n".join(lines) + "\n")
        made = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                   "-subj", "/CN=orders.internal", "-addext", "subjectAltName=DNS:orders.internal",
                   "-keyout", config.parent / "tls.key", "-out", config.parent / "tls.crt")
        self.assertEqual(made.returncode, 0, made.stderr)
        result = run(packages.PROGRAM, "check", "--config", config)
        self.assertEqual(result.stdout, "ok: 1 listener, 1 route, 1 backend, 1 certificate\n", result.stderr)


class Root:
    """A folder that dpkg takes for a machine whose systemd is this class."""

    def __init__(self, path):
        self.path = path
        for folder in "var/lib/dpkg/info", "var/lib/dpkg/updates", "etc", "run/systemd/system", "tools":
            (path / folder).mkdir(parents=True)
        (path / "var/lib/dpkg/status").touch()
        (path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (path / "etc/group").write_text("root:x:0:\n")
        self.calls = path / "calls"
        tool = path / "tools/systemctl"
        tool.write_text(f'#!/bin/sh\necho "$@" >>{self.calls}\n'
                        'if [ "$1" = list-units ]; then\n'
                        '  echo "tlsbridge.service loaded active running TLS"\n'
                        '  echo "tlsbridge@orders.service loaded active running TLS"\nfi\n')
        tool.chmod(0o755)

    def dpkg(self, *arguments):
        environment = dict(os.environ, PATH=f"{self.path}/tools:/usr/sbin:/usr/bin:/sbin:/bin")
        # Whose files are all root's; for another user, in a namespace in which that one is root.
        as_root = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]
        result = run(*as_root, "dpkg", f"--root={self.path}", "--force-script-chrootless", "--force-depends", "--force-not-root",
                     "--force-confold", f"--log={self.path}/log", *arguments, env=environment)
        if result.returncode != 0:
            raise AssertionError(result.stdout + result.stderr)

    def systemctl(self):
        """What it was asked for since it was last asked."""
        calls = self.calls.read_text().splitlines() if self.calls.exists() else []
        self.calls.write_text("")
        return calls


if __name__ == "__main__":
    unittest.main()

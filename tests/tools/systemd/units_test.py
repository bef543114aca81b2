#!/usr/bin/env python3
"""The units are what systemd takes without a word, and open no more than they say."""
import os
import pathlib
import subprocess
import tempfile
import unittest

UNITS = pathlib.Path("tools/systemd").resolve()
NAMES = ["tlsbridge.service", "tlsbridge@.service", "tlsbridge.socket"]
# Tenths: what systemd-analyze calls exposure.
MOST_EXPOSED = 15
# What the template has of its own.
OF_AN_INSTANCE = {"EnvironmentFile=-/etc/tlsbridge/%i.env"}


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=dict(os.environ, LC_ALL="C"), check=False)


def settings(name):
    lines = (UNITS / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


class Units(unittest.TestCase):
    def test_systemd_takes_each_without_a_warning(self):
        program = str(pathlib.Path(os.environ["TLSBRIDGE_BINARY"]).resolve())
        with tempfile.TemporaryDirectory() as folder:
            for name in NAMES:
                text = (UNITS / name).read_text().replace("/usr/bin/tlsbridge", program)
                pathlib.Path(folder, name.replace("@.", "@orders.")).write_text(text)
            for name in NAMES:
                # Nothing is asked of the manual, which is not installed here.
                found = analyze("verify", "--man=no", f"{folder}/{name.replace('@.', '@orders.')}")
                ours = [line for line in found.stdout.splitlines() if "tlsbridge" in line]
                self.assertEqual(ours, [])
                self.assertEqual(found.returncode, 0, found.stdout)

    def test_services_are_hardly_exposed(self):
        for name in NAMES[:2]:
            found = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(UNITS / name))
            self.assertEqual(found.returncode, 0, found.stdout)

    def test_an_instance_differs_by_its_names_only(self):
        one = [line.replace("internal services", "internal services (%i)").replace("RuntimeDirectory=tlsbridge", "RuntimeDirectory=tlsbridge-%i")
               .replace("--config /etc/tlsbridge/tlsbridge.yaml", "--config /etc/tlsbridge/%i.yaml")
               for line in settings(NAMES[0])]
        self.assertEqual(one, [line for line in settings(NAMES[1]) if line not in OF_AN_INSTANCE])

    def test_stopping_is_given_more_time_than_draining_takes_by_default(self):
        stop = next(line for line in settings(NAMES[0]) if line.startswith("TimeoutStopSec="))
        self.assertGreater(int(stop.split("=")[1].rstrip("s")), 25 + 10)


if __name__ == "__main__":
    unittest.main()

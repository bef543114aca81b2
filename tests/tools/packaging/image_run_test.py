#!/usr/bin/env python3
"""The OCI image under podman and runc: read-only, without a capability, as a user."""
import os
import shutil
import unittest

from tests.tools.packaging import packages, podman
from tools.packaging.source import ROOT

LOCKED = ("--network=none", "--read-only", "--read-only-tmpfs=false", "--cap-drop=all",
          "--security-opt=no-new-privileges", "--memory=64m", "--pids-limit=32")


class ImageRunTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        podman.need_podman()
        cls.podman = podman.Podman()
        cls.addClassCleanup(cls.podman.close)
        image = packages.make("image", cls.podman.folder / "image")
        cls.podman("pull", "--quiet", f"oci-archive:{image}")

    def test_podman_knows_it_by_its_name_and_version(self):
        self.assertIn("tlsbridge", self.podman("images", "--format", "{{.Repository}}:{{.Tag}}"))
        self.assertIn("tlsbridge 0.", self.podman("run", "--rm", *LOCKED, "tlsbridge:0.1.0-test", "--version"))

    def test_it_serves_and_its_commands_find_it(self):
        folder = self.podman.folder / "config"
        folder.mkdir()
        shutil.copy(ROOT / "tools/packaging/debian/tlsbridge.yaml", folder)
        for number, writable in enumerate(("--tmpfs=/run/tlsbridge", "--volume=run:/run/tlsbridge")):
            name = f"served{number}"
            self.podman("run", "--detach", "--name", name, *LOCKED, writable, f"--volume={folder}:/etc/tlsbridge:ro",
                        "tlsbridge:0.1.0-test")
            podman.eventually(lambda name=name: self.podman("exec", name, "tlsbridge", "ready", check=False) == "ready\n",
                              "ready")
            self.assertEqual(self.podman.inspect(name)["Config"]["User"], "65532:65532")
            self.podman("stop", "--time", "10", name)
            self.assertEqual(self.podman.inspect(name)["State"]["ExitCode"], 0)


if __name__ == "__main__":
    unittest.main()

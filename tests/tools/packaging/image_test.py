#!/usr/bin/env python3
"""The OCI image: the same bytes each time, small, and what its parts say of each other is so."""
import gzip
import hashlib
import io
import json
import os
import pathlib
import subprocess
import tarfile
import tempfile
import unittest

from tests.tools.packaging import packages

MIB = 1 << 20


class ImageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # pylint: disable-next=consider-using-with
        cls.folder = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        cls.base = pathlib.Path(cls.folder.name)
        cls.image = packages.make("image", cls.base / "first")
        with tarfile.open(cls.image) as archive:
            cls.blobs = {entry.name: archive.extractfile(entry).read() for entry in archive if entry.isfile()}
        index = json.loads(cls.blobs["index.json"])
        cls.manifest = cls.blob(index["manifests"][0])
        cls.config = cls.blob(cls.manifest["config"])
        cls.layer = gzip.decompress(cls.blobs[cls.path(cls.manifest["layers"][0])])

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @staticmethod
    def path(descriptor):
        return "blobs/" + descriptor["digest"].replace(":", "/")

    @classmethod
    def blob(cls, descriptor):
        return json.loads(cls.blobs[cls.path(descriptor)])

    def files(self):
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as layer:
            return {entry.name: entry for entry in layer}

    def read(self, name):
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as layer:
            return layer.extractfile(name).read()

    def test_two_makes_give_the_same_bytes(self):
        self.assertEqual(self.image.read_bytes(), packages.make("image", self.base / "again").read_bytes())

    def test_what_it_says_of_its_parts_is_so(self):
        for name, content in self.blobs.items():
            if name.startswith("blobs/"):
                self.assertEqual(name, "blobs/sha256/" + hashlib.sha256(content).hexdigest())
        for descriptor in [self.manifest["config"], *self.manifest["layers"]]:
            self.assertEqual(descriptor["size"], len(self.blobs[self.path(descriptor)]))
        self.assertEqual(self.config["rootfs"]["diff_ids"], ["sha256:" + hashlib.sha256(self.layer).hexdigest()])

    def test_it_is_small(self):
        self.assertLess(len(self.layer), 15 * MIB)
        self.assertLess(self.image.stat().st_size, 8 * MIB)

    def test_it_runs_as_a_user_and_has_no_shell(self):
        self.assertEqual(self.config["config"]["User"], "65532:65532")
        names = {name for name, entry in self.files().items() if entry.isfile() and entry.mode & 0o111}
        self.assertEqual({name for name in names if "/lib" not in name}, {"usr/bin/tlsbridge"})
        self.assertFalse([name for name, entry in self.files().items() if entry.mode & 0o6000])

    def test_it_has_every_library_that_the_program_needs(self):
        root = self.base / "root"
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as layer:
            layer.extractall(root)
        linker = next((root / "usr/lib64").glob("ld-linux*"), None) or next((root / "usr/lib").glob("ld-linux*"))
        libraries = next((root / "usr/lib").glob("*-linux-gnu"))
        listed = subprocess.run([linker, "--inhibit-cache", "--library-path", libraries, "--list", root / "usr/bin/tlsbridge"],
                                capture_output=True, text=True, check=True).stdout
        for line in listed.splitlines():
            if "=>" in line:
                self.assertIn(str(root), line)

    def test_it_has_its_bill_of_materials_and_everyones_notices(self):
        path = self.config["config"]["Labels"]["tlsbridge.sbom"].lstrip("/")
        bill = json.loads(self.read(path))
        names = {package["name"] for package in bill["packages"]}
        self.assertLessEqual({"tlsbridge", "BoringSSL", "libevent", "libc6", "libstdc++6"}, names)
        self.assertEqual(len({package["SPDXID"] for package in bill["packages"]}), len(bill["packages"]))
        self.assertIn("Niels Provos", self.read("usr/share/doc/tlsbridge/copyright").decode())
        self.assertIn("usr/share/doc/libc6/copyright", self.files())

    def test_labels_say_what_it_is(self):
        labels = self.config["config"]["Labels"]
        self.assertEqual(labels["org.opencontainers.image.version"], "0.1.0+test")
        self.assertEqual(labels["org.opencontainers.image.created"], "2023-11-14T22:13:20Z")
        self.assertEqual(self.manifest["annotations"], labels)


if __name__ == "__main__":
    unittest.main()

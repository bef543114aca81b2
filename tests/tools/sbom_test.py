#!/usr/bin/env python3
"""The bill of materials names what --version --verbose names, in the form that SPDX 2.3 asks for."""
import json
import os
import re
import subprocess
import unittest

PROGRAM = os.path.realpath(os.environ["TLSBRIDGE_BINARY"])
LICENSE = r"(Apache-2\.0|MIT|ISC|BSD-3-Clause)"


def program(*arguments, **variables):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=True,
                          env=dict(os.environ, **variables)).stdout


def bill():
    return json.loads(program("--version", "--sbom", SOURCE_DATE_EPOCH="1700000000"))


class SbomTest(unittest.TestCase):
    def test_it_has_the_fields_that_must_be_there(self):
        document = bill()
        self.assertEqual(document["spdxVersion"], "SPDX-2.3")
        self.assertEqual(document["dataLicense"], "CC0-1.0")
        self.assertEqual(document["SPDXID"], "SPDXRef-DOCUMENT")
        self.assertEqual(document["creationInfo"]["created"], "2023-11-14T22:13:20Z")
        self.assertRegex(document["creationInfo"]["creators"][0], r"^Tool: tlsbridge-\d")
        self.assertRegex(document["documentNamespace"], r"^https://\S+-[0-9a-f]{16}$")
        for package in document["packages"]:
            for field in "name", "SPDXID", "versionInfo", "downloadLocation", "licenseConcluded", "licenseDeclared":
                self.assertTrue(package[field], (package["name"], field))
            self.assertRegex(package["SPDXID"], r"^SPDXRef-[A-Za-z0-9.-]+$")
            self.assertRegex(package["licenseDeclared"], rf"^{LICENSE}( AND {LICENSE})*$")

    def test_its_packages_are_those_that_are_linked_in(self):
        lines = program("--version", "--verbose").split("linked with\n")[1].splitlines()
        linked = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in lines}
        packages = {package["name"]: package["versionInfo"] for package in bill()["packages"]}
        own = packages.pop("tlsbridge")
        self.assertEqual(packages, linked)
        self.assertEqual(own, re.match(r"tlsbridge (\S+)", program("--version")).group(1))

    def test_scanners_know_the_packages(self):
        for package in bill()["packages"][1:]:
            self.assertRegex(package["externalRefs"][0]["referenceLocator"], r"^pkg:(deb/debian|generic)/\S+@[\w.%~-]+$")

    def test_each_is_related_to_the_program(self):
        document = bill()
        ids = {package["SPDXID"] for package in document["packages"]}
        related = {relation["relatedSpdxElement"] for relation in document["relationships"]}
        self.assertEqual(ids, related)

    def test_it_is_the_same_each_time(self):
        self.assertEqual(bill(), bill())


if __name__ == "__main__":
    unittest.main()

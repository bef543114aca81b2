#!/usr/bin/env python3
"""The reference's whole examples pass check; its list of keys without a flag is the program's."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

PROGRAM = os.path.realpath(os.environ["TLSBRIDGE_BINARY"])
REFERENCE = pathlib.Path("router/yaml/reference.md").read_text()


def examples():
    return re.findall(r"^```yaml\n(.*?)^```$", REFERENCE, re.MULTILINE | re.DOTALL)


def make_files(folder, text):
    """A certificate, good for whatever the example asks of it, in place of each that it names."""
    names = ",".join("DNS:" + name for name in re.findall(r"[*.\w]+\.internal", text)) or "DNS:orders"
    for cert in set(re.findall(r"[\w-]+\.crt", text)):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "30", "-subj", "/CN=example", "-addext", f"subjectAltName={names}",
                        "-keyout", folder / cert.replace(".crt", ".key"), "-out", folder / cert],
                       check=True, capture_output=True)


class ReferenceTest(unittest.TestCase):
    def test_three_whole_examples_pass_check_without_a_warning(self):
        self.assertEqual(len(examples()), 3)
        for text in examples():
            with tempfile.TemporaryDirectory() as folder:
                make_files(pathlib.Path(folder), text)
                config = pathlib.Path(folder) / "tlsbridge.yaml"
                config.write_text(text)
                result = subprocess.run([PROGRAM, "check", "--config", config], capture_output=True, text=True,
                                        check=False)
                self.assertEqual((result.returncode, result.stderr), (0, ""), text)

    def test_it_says_what_keep_fraction_nxdomain_and_truncation_do(self):
        said = REFERENCE[REFERENCE.index("## What some keys do"):]
        for word in "`keep_fraction`", "NXDOMAIN", "`truncation`":
            self.assertIn(word, said)


if __name__ == "__main__":
    unittest.main()

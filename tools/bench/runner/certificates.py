"""The certificates that every program is given."""

import subprocess

KEYS = {
    "ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-newkey", "rsa:2048"],
}


class Certificate:
    """Paths: the certificate, its key, and both in one file as haproxy and hitch want them."""

    def __init__(self, directory, name):
        self.cert = directory / f"{name}.crt"
        self.key = directory / f"{name}.key"
        self.both = directory / f"{name}.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-sha256", "-days", "30", *KEYS[name],
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-keyout", self.key, "-out", self.cert],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.both.write_text(self.key.read_text() + self.cert.read_text())


def make(directory):
    return {name: Certificate(directory, name) for name in KEYS}

"""Certificates for tests."""
import subprocess


class Authority:
    """A CA, and certificates by it, as cert-manager would make them."""

    def __init__(self, folder):
        folder.mkdir()
        self._folder = folder
        self._number = 0
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                      "-subj", "/CN=internal-ca", "-keyout", "ca.key", "-out", "ca.crt")
        self.path = folder / "ca.crt"
        self.certificate = self.path.read_text()

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self._folder, check=True, capture_output=True)

    def issue(self, *names):
        """A new one, with a new key: the files of a Secret of type kubernetes.io/tls."""
        self._number += 1
        stem = f"leaf{self._number}"
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={names[0]}",
                      "-addext", "subjectAltName=" + ",".join("DNS:" + name for name in names), "-keyout", stem + ".key",
                      "-out", stem + ".csr")
        self._openssl("x509", "-req", "-in", stem + ".csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-set_serial",
                      str(1000 + self._number), "-days", "20", "-copy_extensions", "copy", "-out", stem + ".crt")
        return {"tls.crt": (self._folder / (stem + ".crt")).read_text(),
                "tls.key": (self._folder / (stem + ".key")).read_text()}

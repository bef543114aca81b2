"""What packages are made of: the program, what it prints about itself, and the files beside it."""
import gzip
import json
import pathlib
import re
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).parent.parent.parent


class Source:
    def __init__(self, program, released, epoch, revision, version=None):
        self.program = program
        self.released = released  # the program's own version
        self.epoch = epoch
        self.revision = revision
        # Later commits are later versions.
        self.version = version or released + time.strftime("+%Y%m%d%H%M%S", time.gmtime(epoch))
        self.architecture = printed("dpkg", "--print-architecture").strip()

    def says(self, *arguments):
        return printed(self.program, *arguments)

    def bill_of_materials(self):
        return json.loads(self.says("--version", "--sbom"))

    def notices(self):
        """Whose it is, and whose are the libraries that are linked in."""
        text = (ROOT / "tools/packaging/copyright.txt").read_text()
        for package in self.bill_of_materials()["packages"]:
            for reference in package.get("externalRefs", []):
                debian = re.match(r"pkg:deb/debian/([^@]+)@", reference["referenceLocator"])
                if debian:
                    text += f"\n{'=' * 80}\n{package['name']} {package['versionInfo']}\n\n{copyright_of(debian.group(1))}"
        return text

    def stripped(self):
        """The program without symbols."""
        with tempfile.NamedTemporaryFile() as file:
            subprocess.run(["strip", "--strip-all", "--remove-section=.comment", "-o", file.name, self.program],
                           check=True)
            return pathlib.Path(file.name).read_bytes()


def printed(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=True, **options).stdout


def zipped(text):
    return gzip.compress(text.encode() if isinstance(text, str) else text, 9, mtime=0)


def copyright_of(package):
    return pathlib.Path(f"/usr/share/doc/{package}/copyright").read_text(encoding="utf-8", errors="replace")

"""Makes a .deb or an OCI image of the built program. tools/package calls it; tests do so by themselves."""
import argparse
import os
import pathlib
import re
import subprocess
import sys

from tools.packaging import deb, image
from tools.packaging.source import Source


def arguments(argv):
    parser = argparse.ArgumentParser(prog="tools/package", description=__doc__)
    parser.add_argument("kind", choices=["deb", "image"])
    parser.add_argument("--out", default="packages", help="folder for what is made (default: %(default)s)")
    parser.add_argument("--program", required=True, help="the built program")
    parser.add_argument("--epoch", required=True, type=int, help="time of the commit, in seconds")
    parser.add_argument("--revision", required=True, help="the commit")
    parser.add_argument("--version", help="of the package (default: the program's and the commit's time)")
    return parser.parse_args(argv)


def main(argv):
    given = arguments(argv)
    os.environ["SOURCE_DATE_EPOCH"] = str(given.epoch)
    program = pathlib.Path(given.program).resolve()
    printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    released = re.match(r"tlsbridge (\S+)", printed).group(1)
    source = Source(program, released, given.epoch, given.revision, given.version)
    out = pathlib.Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    made = {"deb": deb.make, "image": image.make}[given.kind](source, out)
    print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Makes packages of the program for tests."""
import os
import pathlib

from tools.packaging import package

PROGRAM = os.path.realpath(os.environ["TLSBRIDGE_BINARY"])
EPOCH = 1700000000


def make(kind, folder, version="0.1.0+test", epoch=EPOCH):
    """The path of a package in `folder`."""
    before = set(pathlib.Path(folder).glob("*")) if os.path.isdir(folder) else set()
    package.main([kind, "--program", PROGRAM, "--epoch", str(epoch), "--revision", "0" * 40, "--version", version,
                  "--out", str(folder)])
    (made,) = set(pathlib.Path(folder).glob("*")) - before
    return made

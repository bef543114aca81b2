"""A machine with a real systemd: this one's files, of which changes are thrown away, booted by systemd-nspawn."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from tests.tools.packaging.podman import eventually

# A mount of its own: what the machine writes is in the upper folder.
BOOT = """mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root" &&
exec systemd-nspawn --quiet --directory="$1/root" --boot --private-network --register=no --keep-unit --console=pipe \
  "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
  "--machine=tlsbridge-$$" "--bind=$1/shared:/shared" -- --unit=basic.target
"""


class Booted:
    """`shared` is a folder of both."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
        self.shared = self.folder / "shared"
        for name in "upper", "work", "root", "shared":
            (self.folder / name).mkdir(mode=0o755)
        self.folder.chmod(0o755)
        with open(self.folder / "console", "w", encoding="utf-8") as console:
            # pylint: disable-next=consider-using-with
            self._nspawn = subprocess.Popen(["unshare", "--mount", "sh", "-c", BOOT, "sh", self.folder],
                                            stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        try:
            eventually(lambda: self._nspawn.poll() is not None or self.run("systemctl", "is-active", "basic.target") == "active\n",
                       "it has booted", 60)
            if self._nspawn.poll() is not None:
                raise AssertionError("systemd-nspawn has ended")
        except AssertionError as error:
            said = (self.folder / "console").read_text(errors="replace")[-2000:]
            self.close()
            raise AssertionError(f"{error}: {said}") from None

    def close(self):
        # To nspawn: the machine is to be gone, however it is.
        self._nspawn.kill()
        self._nspawn.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def leader(self):
        """Its first process, as this machine numbers it."""
        children = pathlib.Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        return children[0] if children else None

    def command(self, *command, namespaces=("-m", "-u", "-i", "-n", "-p")):
        return ["nsenter", "-t", self.leader() or "0", *namespaces, *map(str, command)]

    def run(self, *command):
        """What it prints."""
        if self.leader() is None:
            return ""
        return subprocess.run(self.command(*command), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, check=False).stdout

    def start_in_network(self, *command, **options):
        """A program of this machine in the other's network."""
        # pylint: disable-next=consider-using-with
        return subprocess.Popen(self.command(*command, namespaces=("-n",)), text=True, **options)


def need_booted():
    """Skips the test where no systemd can be booted, unless TLSBRIDGE_REQUIRE_NSPAWN is set."""
    reason = "" if os.geteuid() == 0 else "only root can boot a systemd here"
    for program in "systemd-nspawn", "nsenter", "unshare":
        if shutil.which(program) is None:
            reason = program + " is missing"
    if reason and os.environ.get("TLSBRIDGE_REQUIRE_NSPAWN"):
        raise AssertionError(reason)
    if reason:
        raise unittest.SkipTest(reason)

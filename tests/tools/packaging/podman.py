"""podman for tests: a store, settings and a network namespace of its own, so that nothing of it is left on the machine."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

# The resources that a container gets are set by podman itself, which may not raise limits in a container.
SETTINGS = """[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class Podman:
    """Owns its folder and a network namespace with loopback alone; the namespace is that of a process which sleeps."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
        (self.folder / "containers.conf").write_text(SETTINGS)
        # pylint: disable-next=consider-using-with
        self._holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 3600"],
                                        stdout=subprocess.PIPE, text=True)
        if self._holder.stdout.readline() != "up\n":
            raise OSError("there can be no network namespace")

    def close(self):
        self("pod", "rm", "--all", "--force", "--time", "0", check=False)
        self("rm", "--all", "--force", "--time", "0", check=False)
        self("system", "reset", "--force", check=False)
        self._holder.kill()
        self._holder.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)

    def inside(self, *command, **options):
        """A command in the namespace."""
        return subprocess.run(["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", *map(str, command)], text=True,
                              capture_output=True, check=False, **options)

    def start_inside(self, *command, **options):
        """Likewise, without waiting for its end."""
        # pylint: disable-next=consider-using-with
        return subprocess.Popen(["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", *map(str, command)], text=True, **options)

    def command(self, *arguments):
        return ["env", f"CONTAINERS_CONF={self.folder}/containers.conf", "podman", "--root", f"{self.folder}/store",
                "--runroot", f"{self.folder}/run", "--tmpdir", f"{self.folder}/tmp", "--storage-driver", "vfs",
                *map(str, arguments)]

    def __call__(self, *arguments, check=True):
        result = self.inside(*self.command(*arguments))
        if check and result.returncode != 0:
            raise AssertionError(f"podman {' '.join(map(str, arguments))}: {result.stdout}{result.stderr}")
        return result.stdout

    def inspect(self, name):
        return json.loads(self("inspect", name))[0]


def why_not():
    """Why podman cannot be used here; empty if it can."""
    if os.geteuid() != 0:
        return "only root can run podman with runc here"
    for program in "podman", "runc", "nsenter", "unshare", "ip":
        if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
            return program + " is missing"
    return ""


def need_podman():
    """Skips the test where podman cannot be used, unless TLSBRIDGE_REQUIRE_PODMAN is set."""
    reason = why_not()
    if reason and os.environ.get("TLSBRIDGE_REQUIRE_PODMAN"):
        raise AssertionError(reason)
    if reason:
        raise unittest.SkipTest(reason)


def eventually(check, what, seconds=20):
    """Waits until `check()` is true; returns what it returned."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = check()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")

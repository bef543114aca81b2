"""Network namespaces of a test's own, with links between them. Each is held by a process that sleeps."""
import os
import shutil
import subprocess
import unittest


class Namespace:
    def __init__(self, name):
        self.name = name
        # pylint: disable-next=consider-using-with
        self._holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 3600"],
                                        stdout=subprocess.PIPE, text=True)
        if self._holder.stdout.readline() != "up\n":
            raise OSError("there can be no network namespace")

    def close(self):
        self._holder.kill()
        self._holder.communicate()

    def command(self, *command):
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", *map(str, command)]

    def run(self, *command):
        result = subprocess.run(self.command(*command), text=True, capture_output=True, check=False)
        if result.returncode != 0:
            raise AssertionError(f"{self.name}: {' '.join(map(str, command))}: {result.stderr}")
        return result.stdout

    def start(self, *command, **options):
        # pylint: disable-next=consider-using-with
        return subprocess.Popen(self.command(*command), text=True, **options)

    def link(self, other, mine, its):
        """A cable to `other`; addresses with the length of their prefix."""
        self.run("ip", "link", "add", f"to-{other.name}", "type", "veth", "peer", "name", f"to-{self.name}", "netns",
                 str(other._holder.pid))
        self.run("ip", "address", "add", mine, "dev", f"to-{other.name}")
        self.run("ip", "link", "set", f"to-{other.name}", "up")
        other.run("ip", "address", "add", its, "dev", f"to-{self.name}")
        other.run("ip", "link", "set", f"to-{self.name}", "up")


def need_namespaces():
    """Skips the test where there are none, unless TLSBRIDGE_REQUIRE_NETNS is set."""
    reason = ""
    if os.geteuid() != 0:
        reason = "only root can make these network namespaces"
    for program in "ip", "nsenter", "unshare", "sysctl":
        if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
            reason = program + " is missing"
    if reason and os.environ.get("TLSBRIDGE_REQUIRE_NETNS"):
        raise AssertionError(reason)
    if reason:
        raise unittest.SkipTest(reason)

"""A fleet: replicas of a gateway, each in a network namespace with a service beside it, behind our own kernel engine."""
import contextlib
import json
import os
import pathlib
import subprocess
import sys

from tests.tools.kubernetes.namespaces import Namespace
from tests.tools.packaging.podman import eventually

HERE = pathlib.Path("tests/tools/kubernetes").resolve()
PROGRAM = os.path.realpath(os.environ["TLSBRIDGE_BINARY"])
NAME = "orders.example.com"

GATEWAY = """listeners: [{{address: "{address}:8443"}}]
routes:
- name: {route}
  tls:
    mode: terminate
    certificates: [{{cert: {folder}/tls.crt, key: {folder}/tls.key}}]
    tickets: {{mode: shared, file: {folder}/secret}}
  backends: [{{address: "127.0.0.1:8080"}}]
admin: {{address: "unix:@admin"}}
shutdown: {{drain_timeout: 20s}}
log: {{format: json}}
workers: 1
"""

BALANCER = """listeners: [{{address: "10.8.0.1:8443"}}]
routes:
- name: fleet
  forwarding_engine: nftables
  tls: {{mode: passthrough}}
  kernel: {{missed: refuse}}
  health_check: {{kind: tcp, interval: 200ms, timeout: 200ms, unhealthy_after: 1, healthy_after: 1}}
  backends:
{backends}
log: {{format: json}}
workers: 1
"""


class Program:
    """tlsbridge with a configuration file, in a namespace. Its log is a file."""

    def __init__(self, space, folder, config):
        self.space, self.folder = space, folder
        self.config = folder / f"{space.name}.yaml"
        self.config.write_text(config)
        self.log = folder / f"{space.name}.log"
        self.process = None
        self._from = 0
        self.start()

    def start(self):
        self._from = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "a", encoding="utf-8") as log:
            self.process = self.space.start(PROGRAM, "run", "--config", self.config, stderr=log)
        try:
            eventually(lambda: self.events("ready"), f"{self.space.name} is ready")
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}: {self.log.read_text()[-2000:]}") from None

    def events(self, name):
        """Its lines of this kind since it was started."""
        with open(self.log, encoding="utf-8") as log:
            log.seek(self._from)
            lines = log.readlines()
        return [event for event in (json.loads(line) for line in lines if line.startswith("{") and line.endswith("}\n"))
                if event.get("event") == name]

    def change(self, config):
        """Another configuration; returns when it is in force."""
        before = len(self.events("reloaded"))
        changed = self.config.with_suffix(".new")
        changed.write_text(config)
        changed.rename(self.config)
        eventually(lambda: len(self.events("reloaded")) > before, f"{self.space.name} has read it")

    def end(self):
        """As an orchestrator ends it; returns the exit code."""
        self.process.terminate()
        return self.process.wait(30)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Fleet:
    def __init__(self, folder, size, service=(sys.executable, HERE / "service.py")):
        self.folder, self.gateways = folder, []
        # What was made ends in the opposite order, also when something cannot be made.
        with contextlib.ExitStack() as made:
            self.client, self.router = self.space(made, "client"), self.space(made, "router")
            self.client.link(self.router, "10.8.0.2/24", "10.8.0.1/24")
            self.router.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
            self.spaces = [self.space(made, f"gateway{number}") for number in range(1, size + 1)]
            for number, space in enumerate(self.spaces, 1):
                self.router.link(space, f"10.8.{number}.1/24", f"10.8.{number}.2/24")
                beside = space.start(*service, env=dict(os.environ, REPLICA=space.name, SLOW="0.5"),
                                     stdout=subprocess.DEVNULL)
                made.callback(beside.wait)
                made.callback(beside.kill)
                self.gateways.append(Program(space, folder, self.gateway_config(number)))
                made.callback(self.gateways[-1].kill)
            self.balancer = Program(self.router, folder, self.balancer_config())
            made.callback(self.balancer.kill)
            self.close = made.pop_all().close

    @staticmethod
    def space(made, name):
        space = Namespace(name)
        made.callback(space.close)
        return space

    def gateway_config(self, number, route="orders"):
        return GATEWAY.format(address=f"10.8.{number}.2", route=route, folder=self.folder)

    @staticmethod
    def backend(number, drained):
        return f'  - {{address: "10.8.{number}.2:8443"{", drain: true" if number == drained else ""}}}'

    def balancer_config(self, drained=0):
        """`drained`: the replica that gets no new connections."""
        return BALANCER.format(backends="\n".join(self.backend(number, drained) for number in range(1, len(self.spaces) + 1)))

    def load(self):
        return self.client.start(sys.executable, HERE / "load.py", "10.8.0.1:8443", NAME, self.folder / "ca.crt",
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)

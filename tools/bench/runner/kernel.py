"""The kernel engine beside proxies in user space that pass TCP through: a client, a router and a backend, each in a
network namespace of its own. Needs root."""

import contextlib
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

from . import measure, processes, programs
from .figures import Column, Figure, MB_RATE, P50, P99, RATE
from .processes import Failure

ROUTER, BACKEND = "10.7.1.1", "10.7.2.11"
BACKEND_PORT = 7001

# The kernel forwards in whoever sends or receives: compared is what all that takes part needs, the client and the
# backend included, which are the same for all programs.
ALL_CPU = Column("all_cpu_us", "CPU us/op")
OWN_CPU = Column("cpu_us", "its own")

FIGURES = [
    Figure("kernel_connect", "connect, 1 byte each way, close; 16 at once", "handshake",
           [ALL_CPU, OWN_CPU, RATE, P50, P99], ["--connections=16", "--warmup=0"]),
    Figure("kernel_roundtrip", "100 B round trip, 32 connections", "roundtrip",
           [ALL_CPU, OWN_CPU, RATE, P50, P99], ["--size=100", "--connections=32", "--warmup=0"]),
    Figure("kernel_bulk", "backend to client, 4 connections", "bulk",
           [Column("all_cpu_us", "CPU us/MB"), OWN_CPU, MB_RATE], ["--direction=download", "--connections=4"]),
]
NAMES = [figure.name for figure in FIGURES]
# What it costs to give the kernel many routes, and one change.
RULES = "kernel_rules"


class Bridge(programs.Tlsbridge):
    """tlsbridge with a route that passes TLS through, by the engine."""

    def __init__(self, path, name, engine):
        super().__init__(path, name=name)
        self.engine = engine

    def command(self, directory, port, backend, certificate):
        config = directory / "tlsbridge.yaml"
        config.write_text(f"""
listeners: [{{address: "{ROUTER}:{port}"}}]
workers: 1
routes:
  - name: bench
    tls: {{mode: passthrough}}
    forwarding_engine: {self.engine}
    backends: [{{address: "{BACKEND}:{backend}"}}]
""")
        return [self.path(), "run", "--config", config]


class Haproxy(programs.Haproxy):
    def command(self, directory, port, backend, certificate):
        return self.serve(directory, f"{ROUTER}:{port} backlog 4096", f"{BACKEND}:{backend}")


class Nginx(programs.Nginx):
    def command(self, directory, port, backend, certificate):
        return self.serve(directory, f"""
        listen {ROUTER}:{port} backlog=4096;
        proxy_pass {BACKEND}:{backend};
""")


# What must be there.
PROGRAMS = ["tlsbridge", "haproxy", "nginx"]


def make(tlsbridge):
    return [Bridge(tlsbridge, "kernel", "nftables"), Bridge(tlsbridge, "tlsbridge", "proxy"), Haproxy(), Nginx()]


class Namespaces:
    """client -- router -- backend; gone when the processes are that hold them."""

    def __init__(self):
        if os.geteuid() != 0:
            raise Failure("network namespaces need root")
        self.holders = {name: subprocess.Popen(["unshare", "-n", "sleep", "infinity"], start_new_session=True)
                        for name in ("client", "router", "backend")}
        try:
            self._await_namespaces()
            self._connect()
        except BaseException:
            self.close()
            raise

    def inside(self, name):
        """What a command is put behind to run there."""
        return ["nsenter", "-t", str(self.holders[name].pid), "-n"]

    def close(self):
        for holder in self.holders.values():
            processes.stop(holder)

    def _await_namespaces(self):
        ours = os.stat("/proc/self/ns/net").st_ino
        deadline = time.monotonic() + 5
        while any(os.stat(f"/proc/{holder.pid}/ns/net").st_ino == ours for holder in self.holders.values()):
            if time.monotonic() > deadline:
                raise Failure("no network namespace was made")
            time.sleep(0.01)

    def _run(self, name, *command):
        done = subprocess.run([*self.inside(name), *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}: {done.stdout.strip()}")

    def _connect(self):
        router = str(self.holders["router"].pid)
        for name, net, host in (("client", 1, 2), ("backend", 2, 11)):
            self._run(name, "ip", "link", "add", "wire", "type", "veth", "peer", "name", f"to-{name}", "netns", router)
            self._run(name, "ip", "address", "add", f"10.7.{net}.{host}/24", "dev", "wire")
            self._run("router", "ip", "address", "add", f"10.7.{net}.1/24", "dev", f"to-{name}")
            self._run(name, "ip", "link", "set", "wire", "up")
            self._run("router", "ip", "link", "set", f"to-{name}", "up")
        self._run("client", "ip", "route", "add", "default", "via", ROUTER)
        # Ports that wait for late packets of their last connection must not run out.
        for name in self.holders:
            self._run(name, "ip", "link", "set", "lo", "up")
            self._run(name, "sysctl", "-qw", "net.ipv4.tcp_tw_reuse=1", "net.ipv4.ip_local_port_range=1024 65000")
        self._run("router", "sysctl", "-qw", "net.ipv4.ip_forward=1")


def _softirq_threads():
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and Path(f"/proc/{name}/comm").read_text().startswith("ksoftirqd/"):
                found.append(int(name))
    return found


class Bench:
    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.port = 20000
        self.namespaces = Namespaces()
        self.log = open(directory / "kernel-backend.log", "w")
        try:
            self.backend = processes.start(
                [*self.namespaces.inside("backend"), options.tools / "backend", f"--listen={BACKEND}:{BACKEND_PORT}"],
                {options.load_core}, self.log)
        except BaseException:
            self.namespaces.close()
            raise
        self.softirq = _softirq_threads()

    def close(self):
        processes.stop(self.backend)
        self.namespaces.close()
        self.log.close()

    def measure(self, program, figure):
        directory = Path(tempfile.mkdtemp(prefix=f"{program.name}-", dir=self.directory))
        self.port += 1  # a new one each time: the last one's connections may still be remembered
        command = program.command(directory, self.port, BACKEND_PORT, None)
        log_path = directory / "output.log"
        with open(log_path, "w") as log:
            process = processes.start([*self.namespaces.inside("router"), *command], {self.options.proxy_core}, log,
                                      cwd=directory)
            try:
                self._wait_until_forwarding(process)
                return self._measure(process, figure)
            except Failure as failure:
                raise Failure(f"{failure}{measure.last_lines(log_path)}") from None
            finally:
                processes.stop(process)

    def rules(self, backends, routes=10000):
        """What it costs to give the kernel so many routes, and one change of one of them."""
        command = [self.options.tools / "rules", f"--routes={routes}", f"--backends={backends}"]
        done = subprocess.run([*self.namespaces.inside("router"), *command], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Failure(done.stderr.strip())
        return json.loads(done.stdout)

    def _load(self, arguments):
        load = processes.start(
            [*self.namespaces.inside("client"), self.options.tools / "load", *arguments, "--plain", "--hello",
             f"--connect={ROUTER}:{self.port}"],
            {self.options.load_core}, subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return measure.finish(load, 60 + 3 * self.options.seconds)

    def _wait_until_forwarding(self, process, seconds=10):
        deadline = time.monotonic() + seconds
        while True:
            if process.poll() is not None:
                raise Failure(f"ended at once with status {process.returncode}")
            try:
                self._load(["handshake", "--count=64", "--connections=8"])
                return
            except Failure:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _measure(self, process, figure):
        pids = sorted(processes.tree(process.pid))
        processes.confine(pids, {self.options.proxy_core})
        size = [f"--bytes={self.options.megabytes * 1_000_000}"] if figure.mode == "bulk" else \
            [f"--duration={self.options.seconds}s"]
        busy, began = processes.machine_busy_seconds(), time.monotonic()
        all_cpu, own = self._all_cpu(pids), processes.cpu_seconds(pids)
        report = self._load([figure.mode, *figure.arguments, *size, f"--cpu_of={','.join(map(str, pids))}"])
        all_cpu, own = self._all_cpu(pids) - all_cpu, processes.cpu_seconds(pids) - own
        values = measure.values_of(report)
        units = report["bytes"] / 1e6 if "bytes" in report else report["operations"]
        values["all_cpu_us"] = all_cpu / units * 1e6
        values["cpu_us"] = own / units * 1e6
        others = processes.machine_busy_seconds() - busy - all_cpu
        values["others_busy"] = max(0, others) / (time.monotonic() - began)
        return values

    def _all_cpu(self, pids):
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        living = processes.cpu_seconds([*pids, self.backend.pid, os.getpid(), *self.softirq])
        return living + ended.ru_utime + ended.ru_stime


def ratios(row):
    """What the kernel's engine needs, of what each other one does: {name: ratio}."""
    ours = row.get("kernel", {}).get("all_cpu_us")
    if ours is None:
        return {}
    return {name: ours / values["all_cpu_us"] for name, values in row.items()
            if name != "kernel" and values.get("all_cpu_us")}

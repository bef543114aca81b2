"""One measurement: one program, one figure, from its start to its end."""

import json
import os
import resource
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from . import processes
from .processes import Failure
from .programs import SUITE


class Bench:
    """What all measurements share: certificates, cores, sizes, and one backend."""

    def __init__(self, options, directory, certificates):
        self.options = options
        self.directory = directory
        self.certificates = certificates
        self.log = open(directory / "backend.log", "w")
        self.backend_port = processes.free_port()
        self.backend = processes.start(
            [options.tools / "backend", f"--listen=127.0.0.1:{self.backend_port}"],
            {options.load_core}, self.log)
        processes.wait_until_accepting(self.backend, self.backend_port)

    def close(self):
        processes.stop(self.backend)
        self.log.close()

    def cores_of(self, program):
        """Those of the proxy; with several workers the load generator's core as well."""
        options = self.options
        return {options.proxy_core} if program.workers == 1 else {options.proxy_core, options.load_core}

    def measure(self, program, figure):
        """The figure's numbers; raises Failure when there are none to be had."""
        directory = Path(tempfile.mkdtemp(prefix=f"{program.name}-", dir=self.directory))
        port = processes.free_port()
        admin = processes.free_port() if figure.scrapes else None
        certificate = self.certificates[figure.certificate]
        if figure.passthrough:
            command = program.passthrough(directory, port, self.backend_port)
        elif figure.scrapes:
            command = program.scraped(directory, port, self.backend_port, certificate, admin)
        else:
            command = program.command(directory, port, self.backend_port, certificate)
        log_path = directory / "output.log"
        with open(log_path, "w") as log:
            process = processes.start(command, self.cores_of(program), log, cwd=directory)
            try:
                processes.wait_until_accepting(process, port)
                found = _Measurement(self, program, figure, process, port, admin).run()
                if process.poll() is not None:
                    raise Failure(f"ended with status {process.returncode}")
            except Failure as failure:
                raise Failure(f"{failure}{last_lines(log_path)}") from None
            finally:
                processes.stop(process)
        shutil.rmtree(directory)
        return found


class _Measurement:
    def __init__(self, bench, program, figure, process, port, admin):
        self.bench = bench
        self.options = bench.options
        self.program = program
        self.figure = figure
        self.process = process
        self.port = port
        self.admin = admin

    def run(self):
        # A listening socket says little: nginx has one before it has a worker. Once bytes have gone through, all
        # processes are there that will do the work, and what is loaded or allotted once has been.
        self._load(["handshake", "--count=64", "--connections=8"])
        self.pids = sorted(processes.tree(self.process.pid))
        processes.confine(self.pids, self.bench.cores_of(self.program))
        values = self._measure()
        if sorted(processes.tree(self.process.pid)) != self.pids:
            raise Failure("its processes changed during the measurement, so that their CPU time is not known")
        return values

    def _measure(self):
        busy, began = processes.machine_busy_seconds(), time.monotonic()
        own = self._own_cpu()
        with processes.put_first(self.bench.backend.pid, self.figure.mode == "storm"), \
                processes.neighbour({self.options.proxy_core}, self.figure.neighbour):
            if self.figure.mode == "idle":
                values = values_of(report := self._idle())
            elif self.figure.scrapes:
                values = self._scraped(report := self._load(self._arguments()))
            else:
                values = values_of(report := self._load(self._arguments()))
        values["threads"] = processes.threads(self.pids)
        # What ran beside the measurement, in cores: nonzero makes latencies doubtful.
        others = processes.machine_busy_seconds() - busy - (self._own_cpu() - own)
        values["others_busy"] = max(0, others) / (time.monotonic() - began)
        values["tls"] = report.get("tls")
        return values

    def _own_cpu(self):
        # The load generator has ended by the time that this is asked again.
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        living = processes.cpu_seconds([*self.pids, self.bench.backend.pid, os.getpid()])
        return living + ended.ru_utime + ended.ru_stime

    def _common(self):
        common = [f"--connect=127.0.0.1:{self.port}"]
        if self.figure.passthrough:
            return [*common, "--plain", "--hello"]
        if not self.program.tls:
            return [*common, "--plain"]
        return [*common, "--tls=1.3", f"--cipher={SUITE}", f"--group={self.figure.group}"]

    def _arguments(self):
        size = [f"--duration={self.options.seconds}s"]
        if self.figure.mode == "bulk":
            size = [f"--bytes={self.options.megabytes * 1_000_000}"]
        pids = ",".join(map(str, self.pids))
        return [self.figure.mode, *self.figure.arguments, *size, f"--cpu_of={pids}"]

    def _start_load(self, arguments, **kwargs):
        return processes.start([self.options.tools / "load", *arguments, *self._common()],
                               {self.options.load_core}, subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)

    def _load(self, arguments):
        load = self._start_load(arguments)
        return finish(load, 60 + 3 * self.options.seconds)

    def _scraped(self, unscraped):
        with Scraper(self.admin, self.figure.scrapes, self.options.load_core) as scraper:
            values = values_of(self._load(self._arguments()))
        before = unscraped["latency_us"]
        return {**values, "p50_unscraped": before["p50"], "p99_unscraped": before["p99"],
                "scrapes_per_second": scraper.per_second()}

    def _idle(self):
        time.sleep(0.3)  # For the warm-up's connections to be forgotten.
        base = processes.pss_kib(self.pids, ["Pss"])
        # Not the pages of files: their share falls when the load generator starts, which maps the same libraries.
        growing = ["Pss_Anon", "Pss_Shmem"]
        before = processes.pss_kib(self.pids, growing)
        count = self.options.idle_connections
        load = self._start_load(["idle", f"--connections={count}"], stdin=subprocess.PIPE)
        try:
            if load.stderr.readline() == "ready\n":
                time.sleep(0.5)
                after = processes.pss_kib(self.pids, growing)
                cpu, began = processes.cpu_seconds(self.pids), time.monotonic()
                time.sleep(self.options.seconds)
                cpu = processes.cpu_seconds(self.pids) - cpu
                elapsed = time.monotonic() - began
            report = finish(load, 60)
        finally:
            processes.stop(load)
        report["idle"] = {"connections": count, "base_mib": base / 1024,
                          "kib_per_connection": (after - before) / count,
                          "idle_cpu_us": cpu / elapsed * 1e6}
        return report


class Scraper:
    """Asks for /metrics so many times a second, from a thread on the load generator's core."""

    def __init__(self, port, rate, core):
        self._port, self._pause, self._core = port, 1 / rate, core
        self._scrapes, self._failure = 0, None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self._seconds = time.monotonic() - self._began

    def per_second(self):
        if self._failure is not None:
            raise Failure(f"/metrics: {self._failure}")
        return self._scrapes / self._seconds

    def _run(self):
        os.sched_setaffinity(0, {self._core})
        try:
            while not self._over.wait(self._pause):
                with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=5) as answer:
                    if b"tlsbridge_" not in answer.read():
                        raise OSError("no metrics")
                self._scrapes += 1
        except OSError as failure:
            self._failure = failure


def finish(load, seconds):
    """Ends an idle load by ending its input; what the load generator found."""
    try:
        output, errors = load.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        processes.stop(load)
        raise Failure(f"the load generator did not end within {seconds} s") from None
    try:
        report = json.loads(output)
    except json.JSONDecodeError:
        raise Failure(f"the load generator failed: {errors.strip()}") from None
    if load.returncode != 0 or not report["valid"]:
        kinds = ", ".join(f"{kind} {count}" for kind, count in report["errors"].items())
        raise Failure(f"{kinds} ({report.get('first_error', '')})")
    return report


def values_of(report):
    """The flat numbers that columns name."""
    values = dict(report.get("latency_us", {}))
    values.update(report.get("idle", {}))
    for key in ("operations", "bytes", "seconds", "per_second", "mb_per_second",
                "ends_without_close_notify", "resets_after_close"):
        if key in report:
            values[key] = report[key]
    cpu = report.get("proxy_cpu_us")
    if cpu is not None and report["operations"]:
        units = report["bytes"] / 1e6 if "bytes" in report else report["operations"]
        values["cpu_us"] = cpu / units
        values["cpu_percent"] = cpu / report["seconds"] / 1e4
    if "storm" in report:
        values["storm_per_second"] = report["storm"]["per_second"]
    return values


def last_lines(path, count=3):
    lines = path.read_text(errors="replace").splitlines()[-count:]
    return "".join(f"\n      it said: {line}" for line in lines)

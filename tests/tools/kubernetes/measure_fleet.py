#!/usr/bin/env python3
"""What 1, 2 and 4 replicas cost: the figures of tools/kubernetes/scaling.md. From the repository's root, as root:

    bazel build //:tlsbridge //tools/bench:load //tools/bench:backend
    TLSBRIDGE_BINARY=.bazel/bin/tools/tlsbridge/tlsbridge PYTHONPATH=. tests/tools/kubernetes/measure_fleet.py"""
import json
import pathlib
import tempfile
import time

from tests.tools.kubernetes import fleet
from tests.tools.kubernetes.authority import Authority

BENCH = pathlib.Path(".bazel/bin/tools/bench").resolve()


def memory_kib(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def pid_of(program):
    """Of tlsbridge, which nsenter has become."""
    return str(program.process.pid)


def measured(replicas, mode, *options):
    """Microseconds of the replicas' CPU for one: the least of several rounds, since others use the machine, too."""
    rounds = []
    for _ in range(5):
        told = json.loads(replicas.client.run(
            BENCH / "load", mode, "--connect=10.8.0.1:8443", f"--sni={fleet.NAME}", "--duration=2s",
            f"--cpu_of={','.join(pid_of(gateway) for gateway in replicas.gateways)}", *options))
        rounds.append(told["proxy_cpu_us"] / told["operations"])
    return round(min(rounds))


def scrape(gateway):
    began = time.monotonic()
    text = gateway.space.run("curl", "--silent", "--abstract-unix-socket", "admin", "http://localhost/metrics")
    return len(text), text.count("\n"), round(1000 * (time.monotonic() - began))


def main():
    for size in 1, 2, 4:
        with tempfile.TemporaryDirectory() as folder:
            base = pathlib.Path(folder)
            authority = Authority(base / "authority")
            files = dict(authority.issue(fleet.NAME), **{"ca.crt": authority.certificate, "secret": "s" * 48})
            for name, text in files.items():
                (base / name).write_text(text)
                (base / name).chmod(0o600)
            replicas = fleet.Fleet(base, size, (BENCH / "backend", "--listen=127.0.0.1:8080"))
            try:
                idle = memory_kib(replicas.gateways[0].process)
                full = measured(replicas, "handshake")
                resumed = measured(replicas, "handshake", "--resume")
                shares = [len(gateway.events("connection_end")) for gateway in replicas.gateways]
                print(f"{size}: CPU us of a full handshake {full}, resumed {resumed}; connections {shares}; KiB {idle}, then "
                      f"{[memory_kib(gateway.process) for gateway in replicas.gateways]}; a scrape's bytes, lines and ms "
                      f"{scrape(replicas.gateways[0])}", flush=True)
            finally:
                replicas.close()


if __name__ == "__main__":
    main()

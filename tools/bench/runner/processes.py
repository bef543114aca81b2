"""Starting, watching and stopping programs; always by their own process id."""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """A program did not do what a measurement needs."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(argv, cores, log, **kwargs):
    """Starts a program on these cores, with its output in a file, so that it ends when this process does."""

    def prepare():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        os.sched_setaffinity(0, cores)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    kwargs.setdefault("stdin", subprocess.DEVNULL)
    kwargs.setdefault("stdout", log)
    kwargs.setdefault("stderr", log)
    # A session of its own: an interrupt reaches this process only, which then stops the others in order.
    return subprocess.Popen(argv, preexec_fn=prepare, start_new_session=True, **kwargs)


def stop(process):
    """Ends the program and every process that it has left behind."""
    pids = tree(process.pid)
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pid, began in pids.items():
        if pid != process.pid and _start_time(pid) == began:
            os.kill(pid, signal.SIGKILL)


def _stat(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()
    except OSError:
        return None


def _start_time(pid):
    stat = _stat(pid)
    return stat[19] if stat else None


def tree(root):
    """The process and its descendants: {pid: start time}."""
    parents = {}
    for name in os.listdir("/proc"):
        stat = _stat(name) if name.isdigit() else None
        if stat:
            parents[int(name)] = int(stat[1])
    found = {root}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found}
        grown = not more <= found
        found |= more
    return {pid: _start_time(pid) for pid in found if _start_time(pid)}


def wait_until_accepting(process, port, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failure(f"ended at once with status {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Failure(f"does not accept after {seconds} s")


def cpu_seconds(pids):
    """User and system time of the processes, all threads, ended ones too, to the nanosecond.

    /proc/PID/stat has ticks of 10 ms, and /proc/PID/schedstat forgets threads that have ended. This is the
    clock that clock_getcpuclockid(3) gives.
    """
    return sum(time.clock_gettime_ns(~pid << 3 | 2) for pid in pids) / 1e9


def confine(pids, cores):
    """Puts every thread on these cores. hitch, for one, has chosen its own by the time that it accepts."""
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), cores)


@contextlib.contextmanager
def put_first(pid, wanted):
    """Lets a process go before all others of its core for a while, if we may."""
    before = os.sched_getscheduler(pid)
    try:
        if wanted:
            os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        pass  # load's storm mode does without as well, and says what is lost
    try:
        yield
    finally:
        os.sched_setscheduler(pid, before, os.sched_param(0))


@contextlib.contextmanager
def neighbour(cores, wanted):
    """A process that never rests on these cores, at our nice value; its process ids."""
    if not wanted:
        yield []
        return
    busy = start(["sh", "-c", "while :; do :; done"], cores, subprocess.DEVNULL)
    try:
        yield [busy.pid]
    finally:
        stop(busy)


def threads(pids):
    return sum(len(os.listdir(f"/proc/{pid}/task")) for pid in pids)


def pss_kib(pids, kinds):
    """The proportional share of memory, of these kinds of /proc/PID/smaps_rollup."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            sizes = dict(line.split(":") for line in rollup.readlines()[1:])
        total += sum(int(sizes[kind].split()[0]) for kind in kinds)
    return total


def machine_busy_seconds():
    """CPU time that the whole machine has used, for noticing that somebody else uses it."""
    with open("/proc/stat") as stat:
        user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")

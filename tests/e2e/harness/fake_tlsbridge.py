#!/usr/bin/python3
# Stands in for the program in the tests of the harness: keeps its log contract and does nothing else.
# FAKE_LEAK=1: a socket is left alive. FAKE_EXIT=N: ends with N before it is ready.
import json
import os
import signal
import sys

LEAKED = int(os.environ.get("FAKE_LEAK", "0"))
LIVE = {"records": 0, "sockets": LEAKED, "timers": 0, "queued_bytes": 0}


def log(**event):
    sys.stderr.write(json.dumps(event) + "\n")
    sys.stderr.flush()


def main():
    if "FAKE_EXIT" in os.environ:
        print("bad flag", file=sys.stderr)
        sys.exit(int(os.environ["FAKE_EXIT"]))
    wanted = {signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR2}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    log(event="start", arguments=sys.argv[1:])
    for number, flag in enumerate(sys.argv):
        if flag == "--listen":
            log(event="listening", address=f"127.0.0.1:{40000 + number}")
    print("a line that is no event", file=sys.stderr)
    log(event="ready")
    ended = 0
    while True:
        received = signal.sigwait(wanted)
        if received == signal.SIGUSR2:
            ended += 1
            log(event="connection_end", id=ended, incoming_reason="normal")
        elif received == signal.SIGUSR1:
            log(event="dump", live=LIVE, records=[])
        else:
            log(event="summary", live=LIVE, reasons={"normal": ended})
            return


main()

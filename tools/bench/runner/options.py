"""The runner's command line."""

import argparse
import os
from pathlib import Path

from . import figures, kernel, programs

ROOT = Path(__file__).resolve().parents[3]


def _list_of(known):
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(known)}")
        return names
    return parse


def _figures(text):
    """`kernel` stands for all of its own."""
    of_kernel = [*kernel.NAMES, kernel.RULES]
    names = _list_of([*figures.NAMES, *of_kernel, "kernel"])(text)
    return [name for given in names for name in (of_kernel if given == "kernel" else [given])]


def _positive(kind):
    def parse(text):
        value = kind(text)
        if value <= 0:
            raise argparse.ArgumentTypeError("must be positive")
        return value
    parse.__name__ = kind.__name__
    return parse


def add_common(parser):
    """What every measurement needs to be told."""
    binaries = ROOT / ".bazel/bin"
    parser.add_argument("--tlsbridge", type=Path, default=binaries / "tools/tlsbridge/tlsbridge", metavar="PATH")
    parser.add_argument("--tools", type=Path, default=binaries / "tools/bench", metavar="DIR",
                        help="where load, backend and relay are")
    parser.add_argument("--rounds", type=_positive(int), help="each program is measured this often (3)")
    parser.add_argument("--seconds", type=_positive(float), help="of each measurement (3)")
    parser.add_argument("--megabytes", type=_positive(int), help="of each bulk transfer (1000)")
    parser.add_argument("--quick", action="store_true",
                        help="one short round: shows that all works, not which is faster")
    parser.add_argument("--proxy-core", type=int, default=1)
    parser.add_argument("--load-core", type=int, default=0,
                        help="for the load generator and the backend")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every measurement, and the summary")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="a plot")


def finish(parser, options):
    """Fills in what was not said, and refuses what cannot be."""
    defaults = (1, 1.0, 200, 500) if options.quick else (3, 3.0, 1000, 2000)
    names = ("rounds", "seconds", "megabytes", "idle_connections")
    for name, default in zip(names, defaults):
        if getattr(options, name, None) is None:
            setattr(options, name, default)
    for name in ("tlsbridge", "tools", "before"):  # programs are started in folders of their own
        if getattr(options, name, None) is not None:
            setattr(options, name, getattr(options, name).resolve())
    cores = os.sched_getaffinity(0)
    if not {options.proxy_core, options.load_core} <= cores:
        parser.error(f"cores must be among {sorted(cores)}; a figure needs two")
    if options.proxy_core == options.load_core:
        parser.error("the proxy needs a core without the load generator on it")
    return options


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description="Measures tlsbridge beside other TLS proxies; see tools/bench/README.md.")
    add_common(parser)
    parser.add_argument("--programs", type=_list_of(programs.NAMES), default=programs.NAMES,
                        metavar="A,B", help=f"of {', '.join(programs.NAMES)}; all by default")
    parser.add_argument("--before", type=Path, metavar="PATH",
                        help="another build of tlsbridge, measured in the same run: what has a change cost?")
    parser.add_argument("--only", type=_figures, default=figures.NAMES, metavar="A,B",
                        help=f"of {', '.join(figures.NAMES)}, which are all by default, and kernel: "
                             f"{', '.join(kernel.NAMES)} and kernel_rules, in network namespaces (root)")
    parser.add_argument("--idle-connections", type=_positive(int), help="held open (2000)")
    return finish(parser, parser.parse_args(arguments))

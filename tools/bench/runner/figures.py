"""What is measured, and which number of it is compared. Less is better in every figure."""

from dataclasses import dataclass, field, replace

from .programs import GROUP


@dataclass
class Column:
    key: str
    heading: str


CPU_PER_OPERATION = Column("cpu_us", "CPU us/op")
CPU_PER_MB = Column("cpu_us", "CPU us/MB")
RATE = Column("per_second", "/s")
MB_RATE = Column("mb_per_second", "MB/s")
P50, P99, P999 = Column("p50", "p50 us"), Column("p99", "p99 us"), Column("p999", "p99.9 us")
UTILISATION = Column("cpu_percent", "CPU %")


@dataclass
class Figure:
    name: str
    title: str
    mode: str
    columns: list  # The first is compared.
    arguments: list = field(default_factory=list)
    certificate: str = "ecdsa"
    only_tls: bool = False
    neighbour: bool = False  # a busy loop on the proxy's core
    passthrough: bool = False  # TLS does not end at the proxy
    group: str = GROUP  # the only one that the client offers
    without: tuple = ()
    scrapes: int = 0  # of its metrics, a second; the same is measured without before


def _operations(name, title, mode, *arguments, **more):
    return Figure(name, title, mode, [CPU_PER_OPERATION, RATE, P50, P99, P999, UTILISATION],
                  list(arguments), **more)


def _bulk(direction, title):
    return Figure(direction, title, "bulk", [CPU_PER_MB, MB_RATE, UTILISATION],
                  [f"--direction={direction}", "--connections=4"])


def _passthrough(figure):
    return replace(figure, name=f"passthrough_{figure.name}", title=f"TLS passed through: {figure.title}",
                   passthrough=True, without=("hitch", "stunnel"))


def _beside_neighbour(name, how_many, *arguments):
    return Figure(name, f"full handshake (RSA-2048) beside a busy loop on the same core; {how_many}",
                  "handshake", [P50, P99, P999, CPU_PER_OPERATION, RATE], list(arguments), certificate="rsa",
                  only_tls=True, neighbour=True)


def _storm(name, what, *arguments, **more):
    return Figure(name, f"100 B echoes at 1000/s during {what}",
                  "storm", [P99, P50, P999, Column("storm_per_second", "handshakes/s"), UTILISATION],
                  ["--size=100", "--connections=32", "--rate=1000", "--storm_connections=64", *arguments],
                  **more)


ALL = [
    _operations("handshake", "full handshake (ECDSA P-256), 1 byte each way, close; 16 at once",
                "handshake", "--connections=16"),
    _operations("resume", "resumed handshake, 1 byte each way, close; 16 at once",
                "handshake", "--connections=16", "--resume", only_tls=True),
    _operations("handshake_rsa", "full handshake (RSA-2048), 1 byte each way, close; 16 at once",
                "handshake", "--connections=16", certificate="rsa", only_tls=True),
    # The OpenSSL of Debian's peers does not have it.
    _operations("handshake_pq", "full handshake with X25519MLKEM768, 1 byte each way, close; 16 at once",
                "handshake", "--connections=16", only_tls=True, group="X25519MLKEM768",
                without=("haproxy", "nginx", "hitch", "stunnel")),
    _beside_neighbour("neighbour_rsa1", "1 at a time", "--connections=1"),
    _beside_neighbour("neighbour_rsa4", "4 at once", "--connections=4"),
    _beside_neighbour("neighbour_rsa16", "16 at once", "--connections=16"),
    Figure("first_answer", "full handshake and the first answer, for a client without TCP_NODELAY; one at a time",
           "handshake", [P50, P99, P999, CPU_PER_OPERATION, RATE], ["--connections=1", "--nagle"], only_tls=True),
    Figure("first_answer_resumed", "resumed handshake and the first answer, for a client without TCP_NODELAY; one at a time",
           "handshake", [P50, P99, P999, CPU_PER_OPERATION, RATE], ["--connections=1", "--nagle", "--resume"],
           only_tls=True),
    _operations("roundtrip100", "100 B round trip, 32 connections",
                "roundtrip", "--size=100", "--connections=32"),
    _operations("roundtrip100x1", "100 B round trip, 1 connection",
                "roundtrip", "--size=100", "--connections=1"),
    _operations("roundtrip4k", "4 KiB round trip, 32 connections",
                "roundtrip", "--size=4096", "--connections=32"),
    Figure("paced100", "100 B round trip, 5000/s over 32 connections: latency from the intended send",
           "roundtrip", [P99, P50, P999, CPU_PER_OPERATION, RATE],
           ["--size=100", "--connections=32", "--rate=5000"]),
    Figure("scraped", "paced100 while /metrics is scraped 10 times a second, beside the same just before without",
           "roundtrip", [P99, Column("p99_unscraped", "p99 alone"), P50, Column("p50_unscraped", "p50 alone"),
                         CPU_PER_OPERATION, Column("scrapes_per_second", "scrapes/s")],
           ["--size=100", "--connections=32", "--rate=5000"], only_tls=True, scrapes=10,
           without=("haproxy", "nginx", "hitch", "stunnel")),
    _bulk("download", "backend to client, 4 connections"),
    _bulk("upload", "client to backend, 4 connections"),
    Figure("idle", "idle connections",
           "idle", [Column("kib_per_connection", "KiB/conn"), Column("idle_cpu_us", "CPU us/s"),
                    Column("base_mib", "MiB before"), Column("connections", "connections")]),
    _storm("storm", "a storm of full handshakes (ECDSA P-256), 64 at once"),
    _storm("storm_rsa", "a storm of full handshakes (RSA-2048), 64 at once", certificate="rsa", only_tls=True),
    _storm("storm_neighbour", "a storm of full handshakes (RSA-2048), 64 at once, beside a busy loop on the same core",
           certificate="rsa", only_tls=True, neighbour=True),
    _storm("paced_ecdsa", "1000 full handshakes (ECDSA P-256) a second", "--storm_rate=1000"),
    _storm("paced_rsa", "900 full handshakes (RSA-2048) a second", "--storm_rate=900", certificate="rsa",
           only_tls=True),
]

ALL += [_passthrough(figure) for figure in ALL if figure.name in ("roundtrip100", "download", "upload")]

NAMES = [figure.name for figure in ALL]

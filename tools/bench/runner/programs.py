"""The programs that are compared, each with one worker, TLS 1.3 and AES-128-GCM.

None of the peers writes a line per connection, as they are installed: haproxy is given no log, nginx's stream
module keeps no access log unless told to, hitch logs errors only; stunnel is told to do the same. A program that logs every connection by default
is measured with that, since its users pay for it.
"""

import os
import shutil
import subprocess

SUITE = "TLS_AES_128_GCM_SHA256"
GROUP = "X25519"


class Program:
    name = ""
    binary = ""
    tls = True
    workers = 1
    version_argument = "-v"

    def path(self):
        return shutil.which(self.binary, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")

    def version(self):
        try:
            said = subprocess.run([self.path(), self.version_argument], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=10)
        except (OSError, TypeError, subprocess.TimeoutExpired):
            return "unknown"
        lines = [line.strip() for line in said.stdout.splitlines() if any(map(str.isdigit, line))]
        return lines[0] if said.returncode == 0 and lines else "unknown"

    def command(self, directory, port, backend, certificate):
        """Writes a configuration into the directory; the command that starts the program in the foreground."""
        raise NotImplementedError

    def passthrough(self, directory, port, backend):
        """The same of one that looks at the ClientHello, or at nothing, and passes all on."""
        raise NotImplementedError


class Tlsbridge(Program):
    name = "tlsbridge"
    version_argument = "--version"

    def __init__(self, path, workers=1, name="tlsbridge"):
        self._path = path
        self.workers = workers
        self.name = name

    def path(self):
        return str(self._path) if os.access(self._path, os.X_OK) else None

    def command(self, directory, port, backend, certificate):
        # Its defaults, as an operator would start it, but for the number of workers.
        return [self.path(), "sidecar", "--workers", str(self.workers), "--listen", f"127.0.0.1:{port}",
                "--backend", f"127.0.0.1:{backend}",
                "--cert", certificate.cert, "--key", certificate.key]

    def scraped(self, directory, port, backend, certificate, admin):
        """The same, with its metrics at 127.0.0.1:`admin`."""
        return [*self.command(directory, port, backend, certificate), "--admin-listen", f"127.0.0.1:{admin}"]

    def passthrough(self, directory, port, backend):
        config = directory / "tlsbridge.yaml"
        config.write_text(f"""
listeners: [{{address: "127.0.0.1:{port}"}}]
workers: {self.workers}
routes:
  - name: bench
    tls: {{mode: passthrough}}
    backends: [{{address: "127.0.0.1:{backend}"}}]
""")
        return [self.path(), "run", "--config", config]


class Haproxy(Program):
    name = binary = "haproxy"

    def command(self, directory, port, backend, certificate):
        # TCP_NODELAY is haproxy's own default in mode tcp; tickets are on by default.
        tls = f"ssl crt {certificate.both} ciphersuites {SUITE} curves {GROUP}"
        return self.serve(directory, f"127.0.0.1:{port} backlog 4096 {tls}", f"127.0.0.1:{backend}")

    def passthrough(self, directory, port, backend):
        # With splice(2), which it does not use unless told to.
        return self.serve(directory, f"127.0.0.1:{port} backlog 4096", f"127.0.0.1:{backend}", "option splice-auto")

    def serve(self, directory, bind, server, option=""):
        """The command for a listener and a backend."""
        # Both its descriptors and its maxconn would otherwise follow the soft limit.
        config = directory / "haproxy.cfg"
        config.write_text(f"""
global
    nbthread 1
    maxpipes 400
    maxconn 9500
    ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
    mode tcp
    {option}
    maxconn 9500
    timeout connect 10s
    timeout client 1h
    timeout server 1h
frontend client
    bind {bind}
    default_backend plain
backend plain
    server one {server}
""")
        return [self.path(), "-db", "-f", config]


class Nginx(Program):
    name = binary = "nginx"

    def command(self, directory, port, backend, certificate):
        return self.serve(directory, f"""
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {certificate.cert};
        ssl_certificate_key {certificate.key};
        ssl_protocols TLSv1.3;
        ssl_conf_command Ciphersuites {SUITE};
        ssl_ecdh_curve {GROUP};
        ssl_session_tickets on;
        proxy_pass 127.0.0.1:{backend};
""")

    def passthrough(self, directory, port, backend):
        return self.serve(directory, f"""
        listen 127.0.0.1:{port} backlog=4096;
        proxy_pass 127.0.0.1:{backend};
""")

    def serve(self, directory, server):
        """The command for a server with these lines."""
        # The stream module's access log is off unless it is asked for, and so are session caches; tickets are on.
        config = directory / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        config.write_text(f"""
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{
    worker_connections 19500;
}}
stream {{
    server {{
        tcp_nodelay on;
        proxy_connect_timeout 10s;
        proxy_timeout 1h;
{server}
    }}
}}
""")
        return [self.path(), "-e", directory / "error.log", "-p", directory, "-c", config]


class Hitch(Program):
    name = binary = "hitch"
    version_argument = "--version"

    def command(self, directory, port, backend, certificate):
        # hitch sets TCP_NODELAY itself, gives tickets by default, and refuses to work as root.
        config = directory / "hitch.conf"
        user = 'user = "nobody"' if os.geteuid() == 0 else ""
        config.write_text(f"""
frontend = "[127.0.0.1]:{port}"
backend = "[127.0.0.1]:{backend}"
pem-file = "{certificate.both}"
workers = 1
backlog = 4096
daemon = off
tls-protos = TLSv1.3
ciphersuites = "{SUITE}"
ecdh-curve = "{GROUP}"
{user}
""")
        return [self.path(), f"--config={config}"]


class Stunnel(Program):
    name = "stunnel"
    binary = "stunnel4"
    version_argument = "-version"

    def command(self, directory, port, backend, certificate):
        # One thread for each connection, so "one worker" means one core only.
        config = directory / "stunnel.conf"
        config.write_text(f"""
foreground = quiet
syslog = no
debug = err
pid =
[bench]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{backend}
cert = {certificate.cert}
key = {certificate.key}
sslVersion = TLSv1.3
ciphersuites = {SUITE}
curves = {GROUP}
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
TIMEOUTidle = 3600
""")
        return [self.path(), config]


class Floor(Program):
    """A relay without TLS: what a proxy costs before it encrypts anything."""

    name = "floor"
    tls = False

    def __init__(self, path):
        self._path = path

    def path(self):
        return str(self._path) if os.access(self._path, os.X_OK) else None

    def version(self):
        return "relay without TLS"

    def command(self, directory, port, backend, certificate):
        return [self.path(), f"--listen=127.0.0.1:{port}", f"--backend=127.0.0.1:{backend}"]

    def passthrough(self, directory, port, backend):
        return self.command(directory, port, backend, None)


NAMES = ["tlsbridge", "haproxy", "nginx", "hitch", "stunnel", "floor"]
# What tlsbridge is compared with. stunnel is of another design, and slower.
PEERS = ["haproxy", "nginx", "hitch"]
# Another build of tlsbridge, with which this one is compared: does a change cost anything?
BEFORE = "before"


def make(tlsbridge, tools, before=None):
    """All programs by name; `tools` is the folder of the benchmark's own binaries."""
    programs = [Tlsbridge(tlsbridge), *([Tlsbridge(before, name=BEFORE)] if before else []), Haproxy(), Nginx(), Hitch(), Stunnel(), Floor(tools / "relay")]
    return {program.name: program for program in programs}

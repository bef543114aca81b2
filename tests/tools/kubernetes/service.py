#!/usr/bin/env python3
"""A service of a pod: HTTP on 127.0.0.1:8080, each connection for as many requests as it likes.

/slow takes $SLOW seconds for its answer. On SIGTERM it takes no new connection, ends those that it has, and then itself."""
import http.server
import os
import signal
import threading
import time

SLOW = float(os.environ.get("SLOW", "2"))  # seconds


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):  # pylint: disable=invalid-name
        body = b"x" * 20000
        self.send_response(200)
        self.send_header("Replica", os.environ.get("REPLICA", "none"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path == "/slow":
            for start in range(0, len(body), 1000):
                self.wfile.write(body[start:start + 1000])
                time.sleep(SLOW / 20)
        else:
            self.wfile.write(body)

    def log_message(self, *arguments):  # pylint: disable=arguments-differ
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 100
    daemon_threads = False

    def handle_error(self, request, client_address):
        pass  # a client that went is no error of ours


def main():
    server = Server(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


if __name__ == "__main__":
    main()

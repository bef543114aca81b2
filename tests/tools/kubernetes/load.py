#!/usr/bin/env python3
"""Clients that ask over TLS until they are told to stop: load.py PORT NAME CA [ALPN]. Commands come on standard input:

"quiet": no new connections, those that are open finish their request; "end": that is all. It prints one JSON line then: how
many connections, requests and failures there were, with the failures, and the serial numbers of the certificates seen."""
import json
import socket
import ssl
import sys
import threading

CLIENTS = 8
REQUEST = "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n"
BODY = 20000


class Load:
    def __init__(self, port, name, ca):
        self.address, self.name = ("127.0.0.1", port), name
        self.context = ssl.create_default_context(cafile=ca)
        self.quiet = threading.Event()
        self.lock = threading.Lock()
        self.connections = self.requests = 0
        self.failures, self.serials = [], set()

    def ask(self, connection, path):
        connection.sendall(REQUEST.format(path, self.name).encode())
        answer = b""
        while len(answer.partition(b"\r\n\r\n")[2]) < BODY:
            more = connection.recv(65536)
            if not more:
                raise ConnectionError(f"an answer of {len(answer)} bytes ended")
            answer += more
        with self.lock:
            self.requests += 1

    def client(self, number):
        while not self.quiet.is_set():
            try:
                with socket.create_connection(self.address, timeout=20) as plain, \
                        self.context.wrap_socket(plain, server_hostname=self.name) as connection:
                    with self.lock:
                        self.connections += 1
                        self.serials.add(connection.getpeercert()["serialNumber"])
                    for _ in range(3):
                        # One in four is under way whenever something happens.
                        self.ask(connection, "/slow" if number % 4 == 0 else "/")
            except OSError as error:
                with self.lock:
                    self.failures.append(repr(error))

    def run(self):
        threads = [threading.Thread(target=self.client, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for line in sys.stdin:
            if line.strip() == "quiet":
                self.quiet.set()
            if line.strip() == "end":
                break
        self.quiet.set()
        for thread in threads:
            thread.join()
        print(json.dumps({"connections": self.connections, "requests": self.requests, "failures": self.failures[:20],
                          "serials": sorted(self.serials)}), flush=True)


if __name__ == "__main__":
    Load(int(sys.argv[1]), sys.argv[2], sys.argv[3]).run()

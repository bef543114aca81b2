#!/usr/bin/env python3
"""Clients that ask over TLS without a pause: load.py ADDRESS NAME CA. At a line on standard input ("end") no new connections are
made, and those that are open finish their requests. It prints one line of JSON then: how many connections, requests and
failures there were, which failures, and how many answers came from which replica."""
import json
import re
import socket
import ssl
import sys
import threading

CLIENTS = 8
REQUEST = "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n"
BODY = 20000


class Load:
    def __init__(self, address, name, ca):
        host, port = address.rsplit(":", 1)
        self.address, self.name = (host, int(port)), name
        self.context = ssl.create_default_context(cafile=ca)
        self.quiet = threading.Event()
        self.lock = threading.Lock()
        self.connections = self.requests = 0
        self.failures, self.replicas = [], {}

    def ask(self, connection, path, served):
        """Notes in `served` which replica answers as soon as it has said so."""
        connection.sendall(REQUEST.format(path, self.name).encode())
        answer = b""
        while len(answer.partition(b"\r\n\r\n")[2]) < BODY:
            more = connection.recv(65536)
            if not more:
                raise ConnectionError(f"an answer of {len(answer)} bytes ended")
            answer += more
            found = re.search(rb"Replica: (\S+)\r", answer)
            if found:
                served["replica"] = found.group(1).decode()
        replica = served["replica"]
        with self.lock:
            self.requests += 1
            self.replicas[replica] = self.replicas.get(replica, 0) + 1

    def client(self, number):
        while not self.quiet.is_set():
            served = {"replica": "none"}  # it has not answered yet
            try:
                with socket.create_connection(self.address, timeout=20) as plain, \
                        self.context.wrap_socket(plain, server_hostname=self.name) as connection:
                    with self.lock:
                        self.connections += 1
                    for _ in range(3):
                        # One in four is under way whenever something happens.
                        self.ask(connection, "/slow" if number % 4 == 0 else "/", served)
                    connection.unwrap()
            except OSError as error:
                with self.lock:
                    self.failures.append(dict(served, error=repr(error)))

    def run(self):
        threads = [threading.Thread(target=self.client, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        sys.stdin.readline()
        self.quiet.set()
        for thread in threads:
            thread.join()
        print(json.dumps({"connections": self.connections, "requests": self.requests, "failures": self.failures,
                          "replicas": self.replicas}), flush=True)


if __name__ == "__main__":
    Load(*sys.argv[1:]).run()

#!/usr/bin/env python3
"""Eight connections one after the other, each with the session of the one before: resume.py ADDRESS NAME CA VERSION. Prints which
replica served each, and whether it resumed."""
import json
import socket
import ssl
import sys


def main(address, name, ca, version):
    host, port = address.rsplit(":", 1)
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    told, session = [], None
    for _ in range(8):
        with socket.create_connection((host, int(port)), timeout=20) as plain, \
                context.wrap_socket(plain, server_hostname=name, session=session) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while more := connection.recv(65536):
                answer += more
            replica = answer.split(b"Replica: ")[1].split(b"\r\n")[0].decode()
            told.append((replica, connection.session_reused))
            session = connection.session
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])

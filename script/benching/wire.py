"""HTTP to a port of the loopback address or to a unix socket, for what is not measured for its rate."""

import base64
import http.client
import json
import secrets
import socket

USER, PASSWORD = "bench", secrets.token_hex(12)
AUTH = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class UnixConnection(http.client.HTTPConnection):
    """The same client as for TCP, over a unix socket."""

    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def connect(where):
    """A connection to a port of the loopback address, or to the socket of a path."""
    if isinstance(where, int):
        return http.client.HTTPConnection("127.0.0.1", where, timeout=120)
    return UnixConnection(where)


def call(connection, method, path, body=None, want=None):
    headers = {"Authorization": AUTH}
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
    except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
        # It was idle for so long that the other side has closed it.
        connection.close()
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
    data = answer.read()
    if want is not None and answer.status != want:
        raise RuntimeError(f"{method} {path}: {answer.status} {data[:300]!r}")
    return data


def ask(connection, method, path, body=None, want=200):
    return json.loads(call(connection, method, path, body, want))


def begin(port, method, path, *headers):
    """A connection on which a request's head is sent; its body, if any, is the caller's."""
    client = socket.create_connection(("127.0.0.1", port), timeout=600)
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: {AUTH}", "Connection: close", *headers]
    client.sendall("\r\n".join([*lines, "", ""]).encode())
    return client


def end(client, want=200):
    """The answer on such a connection, read to its end."""
    answer = http.client.HTTPResponse(client)
    answer.begin()
    data = answer.read()
    client.close()
    if answer.status != want:
        raise RuntimeError(f"{answer.status} {data[:300]!r}")
    return data

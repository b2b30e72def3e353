"""A connection that counts its bytes."""

import socket
import time

from .processes import Failure

ANSWER_LIMIT_S = 10
# Of all that is asked on one connection.
WHOLE_LIMIT_S = 120


class Connection:
    """HTTP/1.1, kept alive. Use it in a `with`."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_LIMIT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")
        self._end = time.monotonic() + WHOLE_LIMIT_S
        self._host = f"127.0.0.1:{port}"
        self.sent = self.received = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._lines.close()
        self._socket.close()

    def send(self, request):
        """A whole request, with no more headers than wrk sends."""
        if time.monotonic() > self._end:
            raise Failure(f"{self._host} needs more than {WHOLE_LIMIT_S} s for what it is asked")
        head = f"{request.method} {request.path} HTTP/1.1\r\nHost: {self._host}\r\n"
        if request.cookie:
            head += f"Cookie: {request.cookie}\r\n"
        message = f"{head}\r\n".encode()
        self.sent += len(message)
        self._socket.sendall(message)

    def receive(self):
        """The whole answer: its status and its body."""
        head = self._line()
        status = int(head.split()[1])
        length = None
        while line := self._line().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if length is None:
            raise Failure(f"an answer of {self._host} does not say its length")
        body = self._lines.read(length)
        self.received += length
        return status, body.decode()

    def ask(self, request):
        """The body of the answer, which must have the request's status."""
        self.send(request)
        status, body = self.receive()
        if status != request.status:
            raise Failure(f"{request.method} {request.path}: {status}, not {request.status}: {body[:300]}")
        return body

    def _line(self):
        line = self._lines.readline()
        if not line.endswith(b"\n"):
            raise Failure(f"{self._host} closed the connection")
        self.received += len(line)
        return line

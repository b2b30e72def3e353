"""A Lambda Runtime API on loopback: it hands events to a function and takes the time."""

import json
import selectors
import socket
import time

from .processes import Failure

WAIT_LIMIT_S = 20
API = "/2018-06-01/runtime"
# What a new environment lets the function's process know.
DESCRIPTION = {
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "AWS_LAMBDA_FUNCTION_VERSION": "1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
}
TRACE = "Root=1-65f1a2b3-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0"


class Runtime:
    """What the function asks for its events, one at a time. Use it in a `with`."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        # The connection that waits for an event.
        self._waiting = self._asked_at = None
        self._events = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()

    @property
    def env(self):
        """For the function's process."""
        return {**DESCRIPTION, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._listener.getsockname()[1]}"}

    def initialized(self):
        """Waits until the function asks for an event; the time at which it last did."""
        while self._waiting is None:
            self._asked_at, connection, request = self._request()
            self._note(connection, request)
        return self._asked_at

    def invoke(self, event):
        """Hands over one event; seconds until the whole answer was here, and the answer."""
        self.initialized()
        self._events += 1
        name = f"00000000-0000-4000-8000-{self._events:012d}"
        message = _event(name, event)
        connection, self._waiting = self._waiting, None
        began = time.perf_counter()
        connection.sendall(message)
        while True:
            at, connection, request = self._request()
            if request.path == f"{API}/invocation/{name}/response":
                _say(connection, "202 Accepted")
                return at - began, json.loads(request.body)
            self._note(connection, request)

    def _note(self, connection, request):
        """What the function asks between answers."""
        if request.path == f"{API}/invocation/next":
            self._waiting = connection
        elif request.path.startswith("/2020-01-01/extension/register"):
            # An internal extension, for SIGTERM's sake.
            _say(connection, "200 OK", "Lambda-Extension-Identifier: bench\r\n", b"{}")
        elif not request.path.startswith("/2020-01-01/extension/event/next"):
            raise Failure(f"the function says {request.path}: {request.body[:1000]!r}")

    def _request(self):
        """The next whole request of any connection, and when its last byte was seen."""
        end = time.perf_counter() + WAIT_LIMIT_S
        while time.perf_counter() < end:
            for key, _ in self._selector.select(end - time.perf_counter()):
                if key.fileobj is self._listener:
                    connection, _ = self._listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._selector.register(connection, selectors.EVENT_READ, bytearray())
                    continue
                part = key.fileobj.recv(1 << 20)
                at = time.perf_counter()
                if not part:
                    self._selector.unregister(key.fileobj)
                    key.fileobj.close()
                    continue
                key.data.extend(part)
                if request := Request.take(key.data):
                    return at, key.fileobj, request
        raise Failure(f"the function asked for nothing within {WAIT_LIMIT_S} s")


class Request:
    """A request of the function's: its path and its body."""

    def __init__(self, path, body):
        self.path, self.body = path, body

    @classmethod
    def take(cls, buffer):
        """Takes one off the buffer, if there is a whole one."""
        head, found, _ = bytes(buffer).partition(b"\r\n\r\n")
        if not found:
            return None
        first, *lines = head.decode().split("\r\n")
        fields = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        start = len(head) + 4
        if headers.get("transfer-encoding") == "chunked":
            body, end = _chunks(buffer, start)
        else:
            end = start + int(headers.get("content-length", 0))
            body = bytes(buffer[start:end])
        if end is None or len(buffer) < end:
            return None
        del buffer[:end]
        return cls(first.split()[1], body)


def _chunks(buffer, at):
    """A chunked body and where it ends, which is nowhere yet if it is not whole."""
    body = b""
    while (line := buffer.find(b"\r\n", at)) >= 0:
        length = int(buffer[at:line].split(b";")[0], 16)
        begin = line + 2
        if length == 0:
            trailers = buffer.find(b"\r\n", begin)
            return body, trailers + 2 if trailers >= 0 else None
        body += buffer[begin : begin + length]
        at = begin + length + 2
    return body, None


def _event(name, event):
    body = json.dumps(event, separators=(",", ":")).encode()
    deadline = int((time.time() + 30) * 1000)
    head = f"""HTTP/1.1 200 OK
Content-Type: application/json
Lambda-Runtime-Aws-Request-Id: {name}
Lambda-Runtime-Deadline-Ms: {deadline}
Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-west-1:123456789012:function:bench
Lambda-Runtime-Trace-Id: {TRACE}
Content-Length: {len(body)}

"""
    return head.replace("\n", "\r\n").encode() + body


def _say(connection, status, headers="", body=b""):
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)

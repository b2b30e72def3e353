"""A redis-server of a test's own."""

import socket
import tempfile

from .processes import Process, free_port


class Store(Process):
    """redis-server on loopback, without persistence, with a password if one is given."""

    def __init__(self, password=None):
        self.port = free_port()
        self._directory = tempfile.TemporaryDirectory(prefix="store-")
        self._password = password
        self._connection = self._lines = None
        arguments = ["--bind", "127.0.0.1", "--port", self.port, "--dir", self._directory.name]
        arguments += ["--save", "", "--appendonly", "no"]
        if password:
            arguments += ["--requirepass", password]
        super().__init__(["redis-server", *arguments])
        self.ready(self.port)

    @property
    def url(self):
        login = f":{self._password}@" if self._password else ""
        return f"redis://{login}127.0.0.1:{self.port}"

    def kill(self):
        if self._connection:
            self._lines.close()
            self._connection.close()
        super().kill()
        self._directory.cleanup()

    def ask(self, *words):
        """The answer to one command: text, a number, or a list of them. All on one connection."""
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            self._lines = self._connection.makefile("rb")
            if self._password:
                self.ask("AUTH", self._password)
        parts = [str(word).encode() for word in words]
        head = b"*%d\r\n" % len(parts)
        self._connection.sendall(head + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        return _receive(self._lines)

    def change_password(self, password):
        """From now on; connections that are open stay so."""
        self.ask("CONFIG", "SET", "requirepass", password)
        self._password = password

    def drop_clients(self):
        """Closes every connection but the one that asks; how many there were."""
        return self.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def connections_taken(self):
        """Since the server's start."""
        figures = (line.partition(":") for line in self.ask("INFO", "stats").splitlines())
        return next(int(value) for name, _, value in figures if name == "total_connections_received")


def _receive(lines):
    head = lines.readline()
    kind, rest = head[:1], head[1:].strip()
    if kind == b"-":
        raise AssertionError(f"redis-server refused: {rest.decode()}")
    if kind == b":":
        return int(rest)
    if kind == b"$":
        length = int(rest)
        return None if length < 0 else lines.read(length + 2)[:-2].decode()
    if kind == b"*":
        return [_receive(lines) for _ in range(int(rest))]
    return rest.decode()

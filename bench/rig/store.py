"""A redis-server of the bench's own, without persistence."""

import subprocess

from .processes import Process, free_port


class Store(Process):
    """redis-server on a free port of the loopback interface. Use it in a `with`."""

    def __init__(self, directory):
        port = free_port()
        address = ["--bind", "127.0.0.1", "--port", str(port), "--dir", directory]
        transient = ["--save", "", "--appendonly", "no"]
        super().__init__(["redis-server", *address, *transient], port)
        self.ready()
        connection = self.connect()
        self._lines = connection.makefile("rb")
        self._connection = connection

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def stop(self):
        self._lines.close()
        self._connection.close()
        super().stop()

    def forget_counts(self):
        """Counts commands from zero."""
        self._command("CONFIG RESETSTAT")

    def counts(self):
        """How often each command was run since `forget_counts`."""
        counts = {}
        for line in self._command("INFO commandstats").splitlines():
            name, _, figures = line.partition(":")
            command = name.removeprefix("cmdstat_")
            if command != name and not command.startswith(("config", "info")):
                counts[command] = int(figures.split(",")[0].removeprefix("calls="))
        return counts

    def _command(self, text):
        self._connection.sendall(text.encode() + b"\r\n")
        head = self._lines.readline()
        if head.startswith(b"$"):
            return self._lines.read(int(head[1:]) + 2).decode()
        return head.decode()


def version():
    """As in `Redis 7.0.15`."""
    text = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
    return "Redis " + text.split("v=")[1].split()[0]

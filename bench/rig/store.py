"""A redis-server of the bench's own, without persistence."""

import subprocess

from .processes import Failure, Process, free_port


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

    def empty(self):
        """Forgets everything."""
        self._command("FLUSHALL")

    def figures(self, section):
        """What the server says of itself in whole numbers, by name."""
        pairs = (line.split(":", 1) for line in self._command(f"INFO {section}").splitlines() if ":" in line)
        return {name: int(value) for name, value in pairs if value.isdigit()}

    def watch(self):
        """From now on, what the server is asked. Use it in a `with`."""
        return Watch(self)

    def say(self, text):
        """A word that a `Watch` sees."""
        self._command(f"ECHO {text}")

    def _command(self, text):
        self._connection.sendall(text.encode() + b"\r\n")
        head = self._lines.readline()
        if head.startswith(b"$"):
            return self._lines.read(int(head[1:]) + 2).decode()
        return head.decode()


class Watch:
    """The commands that the server runs, in their order."""

    END = "that-was-all"

    def __init__(self, redis):
        self._redis = redis
        self._connection = redis.connect()
        self._lines = self._connection.makefile("r", encoding="utf-8", errors="replace")
        self._connection.sendall(b"MONITOR\r\n")
        self._lines.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._lines.close()
        self._connection.close()

    def seen(self):
        """The names of those that clients sent, and of those that scripts ran, since the last time."""
        self._redis.say(self.END)
        sent, by_scripts = [], []
        # As in `1700000000.123456 [0 127.0.0.1:4711] "get" "key"`.
        for line in self._lines:
            if self.END in line:
                return sent, by_scripts
            names = by_scripts if " lua] " in line else sent
            names.append(line.split('"')[1].lower())
        raise Failure("the store no longer says what it runs")


def version():
    """As in `Redis 7.0.15`."""
    text = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
    return "Redis " + text.split("v=")[1].split()[0]

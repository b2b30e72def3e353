"""Processes of the bench: started on free ports, read in /proc, always ended."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
START_LIMIT_S = 20
STOP_LIMIT_S = 15


class Failure(Exception):
    """The bench cannot go on; the text says why."""


def end_in_order():
    """Lets SIGTERM end the bench as an exception does, so that nothing is left running."""

    def stop(_signal, _frame):
        raise SystemExit("ended by SIGTERM")

    signal.signal(signal.SIGTERM, stop)


def free_port():
    """A port of the loopback interface that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A server of ours or of a peer. Use it in a `with`."""

    def __init__(self, argv, port, env=None, log=None, cwd=None):
        self.port = port
        self.log = log
        output = open(log, "ab") if log else subprocess.DEVNULL
        # Nothing of the caller's settings may change what is measured.
        keep = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
        self.started = time.perf_counter()
        self.child = subprocess.Popen(
            [str(part) for part in argv],
            env={**keep, "LANG": "C.UTF-8", "TZ": "UTC", **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        if log:
            output.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.child.pid

    def connect(self):
        """The first connection it takes. Asks often, for its start may be what is timed."""
        end = time.perf_counter() + START_LIMIT_S
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=10)
            except ConnectionRefusedError:
                if self.child.poll() is not None or time.perf_counter() > end:
                    raise Failure(f"{self.child.args[0]} did not start: {self.said()}") from None
                time.sleep(0.0002)

    def ready(self):
        """Waits until it takes connections."""
        self.connect().close()
        return self

    def said(self):
        """The end of its log."""
        return Path(self.log).read_text(errors="replace")[-2000:] if self.log else "(no log kept)"

    def kill(self):
        """kill -9."""
        self.child.kill()
        self.child.wait()

    def stop(self):
        """Asks it to end, and makes it end when it does not."""
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def family(self):
        """Its pid and those of all its living descendants."""
        children = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                fields = _stat(int(entry))
                if fields:
                    children.setdefault(int(fields[1]), []).append(int(entry))
        found = [self.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu_seconds(self):
        """User and system time of it and its descendants, all threads, so far."""
        stats = filter(None, map(_stat, self.family()))
        return sum(int(fields[11]) + int(fields[12]) for fields in stats) / TICKS_PER_SECOND

    def memory_mib(self):
        """What it has resident now, and the most it ever had."""
        now = peak = 0
        for pid in self.family():
            try:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            except OSError:
                continue
            values = dict(line.split(":", 1) for line in lines if line.startswith(("VmRSS", "VmHWM")))
            now += int(values["VmRSS"].split()[0])
            peak += int(values["VmHWM"].split()[0])
        return now / 1024, peak / 1024


def _stat(pid):
    """The fields of /proc/PID/stat after the program's name; none when it has gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()

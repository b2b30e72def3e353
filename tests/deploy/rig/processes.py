"""Processes of the tests: on free ports of loopback, always ended, their output kept."""

import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

# What a slow machine needs, and no test reaches when all is well.
PATIENCE_S = 60


def free_port():
    """A port of the loopback interface that nobody listens on just now, below those that the system
    gives to connections: one of them could take it before the program that it is for."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until(happened, what, limit_s=PATIENCE_S):
    """Asks `happened` until it gives something true, which is returned."""
    end = time.monotonic() + limit_s
    while True:
        if found := happened():
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {limit_s} s")
        time.sleep(0.005)


def listens(port):
    """Whether somebody takes connections there."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A program with an environment of its own. Use it in a `with`."""

    def __init__(self, argv, env=None, cwd=None):
        self.name = Path(str(argv[0])).name
        self._log = tempfile.NamedTemporaryFile(prefix=f"{self.name}-", suffix=".log")
        # Nothing of the caller's settings may reach what is tested.
        keep = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
        self.child = subprocess.Popen(
            [str(part) for part in argv],
            env={**keep, "LANG": "C.UTF-8", "TZ": "UTC", **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    @property
    def pid(self):
        return self.child.pid

    def said(self):
        """All of its output so far."""
        return Path(self._log.name).read_text(errors="replace")

    def lines(self):
        """Those lines of it that are JSON: the app's log, without what its emulator says."""
        return [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]

    def running(self):
        return self.child.poll() is None

    def says(self, text, times=1):
        """Waits until its output has `text` as often."""

        def found():
            said = self.said()
            if said.count(text) >= times:
                return True
            if not self.running():
                raise AssertionError(f"{self.name} ended ({self.child.returncode}) before it said {text!r}:\n{said}")
            return False

        wait_until(found, f"{self.name} says {text!r}")
        return self

    def ready(self, port):
        """Waits until it listens."""

        def up():
            if not self.running():
                raise AssertionError(f"{self.name} ended ({self.child.returncode}):\n{self.said()}")
            return listens(port)

        wait_until(up, f"{self.name} listens on {port}")
        return self

    def signal(self, number):
        self.child.send_signal(number)

    def exit_status(self, limit_s=PATIENCE_S):
        """Waits for its end; the status, negative for a signal."""
        return self.child.wait(limit_s)

    def kill(self):
        """Ends it with all that it started."""
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()
        self._log.close()

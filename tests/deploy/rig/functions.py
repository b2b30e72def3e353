"""Lambda functions without Lambda: under AWS's Runtime Interface Emulator, and behind cargo-lambda's,
which turns HTTP into events as a Function URL does."""

import http.client
import json
import os
import signal
from pathlib import Path

from . import programs
from .processes import Process, free_port, wait_until

ANSWER_LIMIT_S = 30
INVOCATIONS = "/2015-03-31/functions/function/invocations"


class Emulated(Process):
    """A function under AWS's own emulator, which starts it at the first event. Use it in a `with`."""

    def __init__(self, app, env):
        self.port, api_port = free_port(), free_port()
        self.bootstrap = programs.bootstrap(app)
        limits = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "20", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"}
        addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{self.port}"]
        addresses += ["--runtime-api-address", f"127.0.0.1:{api_port}"]
        command = [programs.TOOLS / "rie", *addresses, "--log-level", "info", self.bootstrap]
        super().__init__(command, {**limits, **env})
        # Lambda's own interface is there before the function is.
        self.ready(api_port).ready(self.port)

    def invoke(self, event):
        """What the function answers to the event."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_LIMIT_S)
        try:
            connection.request("POST", INVOCATIONS, json.dumps(event))
            answer = connection.getresponse().read().decode()
            try:
                return json.loads(answer)
            except ValueError:
                raise AssertionError(f"the emulator answers {answer!r}:\n{self.said()}") from None
        finally:
            connection.close()

    def function(self):
        """The pid of the function itself."""
        for entry in os.listdir("/proc"):
            if entry.isdigit() and _parent(int(entry)) == self.pid:
                return int(entry)
        raise AssertionError(f"no function was started:\n{self.said()}")

    def freeze(self):
        """Stops the function as Lambda does between two events."""
        pid = self.function()
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: _state(pid) == "T", "the function stands still")

    def thaw(self):
        os.kill(self.function(), signal.SIGCONT)


class Gateway(Process):
    """cargo-lambda's emulator: HTTP on `port` becomes events for functions that ask for them."""

    def __init__(self):
        self.port = free_port()
        place = ["-A", "127.0.0.1", "-P", self.port]
        command = [programs.python_tool("cargo-lambda"), "lambda", "watch", "--only-lambda-apis", "--disable-cors", *place]
        super().__init__(command, cwd=programs.ROOT)
        self.ready(self.port)

    def function(self, app, env):
        """A sandbox of the app. Use it in a `with`."""
        itself = {
            "AWS_LAMBDA_FUNCTION_NAME": "_",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{self.port}/.rt",
        }
        return Process([programs.bootstrap(app)], {**itself, **env})


def event(name, cookie=None):
    """One of the sample events, with `cookie` where it has a place for one."""
    path = programs.EVENTS / f"{name}.json"
    text = path.read_text() if path.exists() else (programs.LAMBDA / "sample-event.json").read_text()
    return json.loads(text.replace("COOKIE", cookie or "COOKIE"))


def _stat(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def _parent(pid):
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def _state(pid):
    fields = _stat(pid)
    return fields[0] if fields else None

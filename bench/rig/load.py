"""Requests: single ones that are looked at, and many by wrk."""

import http.client
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .processes import Failure

CONNECTIONS = 32
SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Request:
    """A request and the status that it must get."""

    path: str
    method: str = "GET"
    status: int = 200
    cookie: str | None = None


def ask(port, request):
    """One request: the body and the cookie that was set, if any."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Cookie": request.cookie} if request.cookie else {}
    connection.request(request.method, request.path, headers=headers)
    response = connection.getresponse()
    body = response.read().decode()
    cookie = response.headers.get("Set-Cookie", "").split(";")[0] or None
    connection.close()
    if response.status != request.status:
        raise Failure(f"{request.method} {request.path}: {response.status}, not {request.status}: {body[:300]}")
    return body, cookie


def log_in(port, user):
    """A session of `user`, as a Cookie header."""
    _, cookie = ask(port, Request(f"/login?userId={user}", status=303))
    if cookie is None:
        raise Failure("no cookie was set at login")
    return cookie


def start(port, request, seconds):
    """wrk on one server. It is a closed loop: each connection waits for its answer."""
    url = f"http://127.0.0.1:{port}{request.path}"
    load = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "5s", "-s", SCRIPT, url]
    arguments = ["--", request.method, str(request.status), *filter(None, [request.cookie])]
    return subprocess.Popen(
        [*load, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run(port, request, seconds):
    """The figures of one wrk run. An answer that is not the expected one fails the bench."""
    with start(port, request, seconds) as wrk:
        try:
            output, _ = wrk.communicate(timeout=seconds + 30)
        finally:
            wrk.kill()
    lines = [line for line in output.splitlines() if line.startswith("FIGURES ")]
    if not lines:
        raise Failure(f"wrk gave no figures: {output[:1000]}")
    figures = json.loads(lines[0].removeprefix("FIGURES "))
    if figures["requests"] == 0 or any(figures[kind] for kind in ("wrong", "socket_errors", "timeouts")):
        raise Failure(f"{request.method} {request.path}: not all answers were good: {figures}")
    return figures

"""From the start of the process to its first good answer."""

import statistics
import subprocess
import time

from . import load, peers, report, store
from .load import Request
from .processes import Failure, Process, free_port
from .web import PEER

STARTS = 10
KEYS = 1_000_000
GOAL_MS = 20
LOAD_BEFORE_KILL_S = 1
LIST = "/lessons/completed"
MARK = "/lessons/123/mark-complete"


class App:
    """A server that can be started again and again on the same data."""

    def __init__(self, argv, env, log, cwd=None):
        self.argv, self.env, self.log, self.cwd = argv, env, log, cwd
        self.cookie = None

    def start(self):
        port = free_port()
        return Process(self.argv, port, {"PORT": str(port), **self.env}, self.log, self.cwd)

    def prepare(self):
        """Somebody logs in and completes a lesson; every start must find both."""
        with self.start() as server:
            server.ready()
            self.cookie = load.log_in(server.port, "bench")
            load.ask(server.port, Request(MARK, "POST", cookie=self.cookie))
        return self

    def timed_start(self):
        """Milliseconds to the first connection and to the whole first answer; resident MiB."""
        with self.start() as server:
            with server.connect() as connection:
                listening = time.perf_counter()
                head = f"GET {LIST} HTTP/1.1\r\nHost: localhost\r\nCookie: {self.cookie}\r\nConnection: close\r\n\r\n"
                connection.sendall(head.encode())
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            answered = time.perf_counter()
            if not answer.startswith(b"HTTP/1.1 200") or b'"123"' not in answer:
                raise Failure(f"the first answer after a start: {answer[:500]}")
            memory, _ = server.memory_mib()
        return (listening - server.started) * 1e3, (answered - server.started) * 1e3, memory

    def kill_under_load(self):
        """Many writers at work, and then kill -9."""
        with self.start() as server:
            server.ready()
            request = Request(MARK, "POST", cookie=self.cookie)
            with load.start(server.port, request, LOAD_BEFORE_KILL_S + 1) as wrk:
                time.sleep(LOAD_BEFORE_KILL_S)
                server.kill()
                wrk.terminate()
                wrk.communicate()


def measure(binary, engine_binary, directory):
    """Runs all of it; the report's lines."""
    busy = report.load_before()
    peers.install_packages(PEER)
    data = directory / "million"
    print(f"filling {KEYS:,} keys", flush=True)
    subprocess.run([engine_binary, "fill", data, str(KEYS)], check=True)

    def lessons(url, name):
        return App([binary], {"REDIS_URL": url}, directory / f"start-{name}.log").prepare()

    full = lessons(f"file:{data}", "million")
    empty = lessons(f"file:{directory}/empty", "empty")
    rows = [
        row("an empty database", [empty.timed_start() for _ in range(STARTS)]),
        row(f"{KEYS:,} keys, after a clean stop", [full.timed_start() for _ in range(STARTS)], GOAL_MS),
        row(f"{KEYS:,} keys, after kill -9 under load", killed_starts(full), GOAL_MS),
    ]
    with store.Store(directory) as redis:
        remote = lessons(redis.url, "redis")
        rows.append(row("on Redis", [remote.timed_start() for _ in range(STARTS)]))
        settings = {"REDIS_URL": redis.url, "SESSION_SECRET": "bench", "NODE_ENV": "production"}
        express = App(["node", "server.js"], settings, directory / "start-express.log", PEER).prepare()
        rows.append(row("Express, on Redis", [express.timed_start() for _ in range(STARTS)]))
    lines = report.circumstances("bench/run start", [store.version()], busy)
    lines += report.paragraph(
        f"""From the start of the process to the whole answer of `GET {LIST}` with a session of before, which needs the
        session and the lessons from the store; medians of {STARTS} starts. The load before the kill is
        {load.CONNECTIONS} connections that mark lessons, for {LOAD_BEFORE_KILL_S} s. Files are in the system's cache:
        these are no figures for a cold disk."""
    )
    columns = ["Tuckbox, started on", "#listening ms", "#first answer ms", "#slowest ms", "#resident MiB", "goal"]
    return lines + report.table(columns, rows)


def killed_starts(app):
    starts = []
    for _ in range(STARTS):
        app.kill_under_load()
        starts.append(app.timed_start())
    return starts


def row(name, starts, goal=None):
    listening, answered, memory = (statistics.median(column) for column in zip(*starts))
    slowest = max(start[1] for start in starts)
    print(f"{name:40} first answer after {answered:.1f} ms", flush=True)
    reached = report.against(answered, goal, "g") if goal else ""
    return [name, f"{listening:.1f}", f"{answered:.1f}", f"{slowest:.1f}", f"{memory:.1f}", reached]

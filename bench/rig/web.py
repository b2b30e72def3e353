"""The lessons app beside Express: the same requests, the same redis-server, in turns."""

import json
import statistics
from contextlib import ExitStack
from dataclasses import dataclass

from . import load, peers, report, store, turns
from .load import Request
from .processes import Failure, Process, free_port
from .turns import Job

PEER = report.BENCH / "peers" / "express-lessons"
EXPRESS, ON_REDIS, ON_FILE, IN_MEMORY = "Express, Redis", "Tuckbox, Redis", "Tuckbox, file", "Tuckbox, memory"
MEMORY_GOAL_MIB = 12


@dataclass(frozen=True)
class Scenario:
    """What is asked, by a user of its own who has completed some lessons."""

    name: str
    request: Request
    lessons: int = 0
    logged_in: bool = True
    # The server's CPU time as a part of Express's; on the embedded store, half of it.
    goal: float | None = None
    servers: tuple = (EXPRESS, ON_REDIS, ON_FILE, IN_MEMORY)

    def request_on(self, port):
        """The request, with the session that it needs, tried once and looked at."""
        if not self.logged_in:
            load.ask(port, self.request)
            return self.request
        cookie = load.log_in(port, f"bench-{self.lessons}")
        for number in range(self.lessons):
            load.ask(port, Request(f"/lessons/lesson-{number}/mark-complete", "POST", cookie=cookie))
        request = Request(self.request.path, self.request.method, self.request.status, cookie)
        answer = json.loads(load.ask(port, request)[0])
        if "Lessons" in answer and len(answer["Lessons"]) != self.lessons:
            raise Failure(f"{self.name}: {answer}")
        return request


SCENARIOS = (
    Scenario("login", Request("/login?userId=bench", status=303), logged_in=False, goal=0.08),
    Scenario("list of 0", Request("/lessons/completed"), goal=0.10),
    Scenario("list of 50", Request("/lessons/completed"), lessons=50, goal=0.13),
    Scenario("mark", Request("/lessons/lesson-0/mark-complete", "POST"), lessons=1, goal=0.10),
    Scenario("page, no session", Request("/"), logged_in=False, servers=(ON_REDIS,)),
    Scenario("healthz", Request("/healthz"), logged_in=False, servers=(ON_REDIS,)),
)


def measure(binary, directory, seconds, runs):
    """Runs all of it; the report's lines."""
    busy = report.load_before()
    peers.install_packages(PEER)
    with ExitStack() as running:
        redis = running.enter_context(store.Store(directory))
        servers = start_servers(binary, directory, redis)
        for server in servers.values():
            running.enter_context(server)
        for server in servers.values():
            server.ready()
        results = {
            scenario: run(scenario, servers, redis, seconds, runs) for scenario in SCENARIOS
        }
        memory = {name: server.memory_mib() for name, server in servers.items()}
    versions = [store.version(), "Node " + report.tool_version("node", "--version").removeprefix("v")]
    versions += [report.wrk_version(), *peers.package_versions(PEER)]
    command = "bench/run http"
    lines = report.circumstances(command, versions, busy)
    lines += report.paragraph(
        f"""{load.CONNECTIONS} connections, {seconds} s a run, {runs} for each line, in turns after a warm-up of
        {turns.WARM_UP_S} s; medians. No answer had another status than the expected one. CPU is that of the server's
        process alone, all threads, user and system; "of Express" is the median of the turns' ratios. Tuckbox writes
        its access log, as JSON lines to a file; Express writes none."""
    )
    return lines + requests_table(results) + [""] + memory_table(memory)


def start_servers(binary, directory, redis):
    """Every server that is measured, by name."""

    def lessons(url, log):
        port = free_port()
        return Process([binary], port, {"PORT": str(port), "REDIS_URL": url}, directory / log)

    port = free_port()
    express = {"PORT": str(port), "REDIS_URL": redis.url, "SESSION_SECRET": "bench", "NODE_ENV": "production"}
    return {
        EXPRESS: Process(["node", "server.js"], port, express, directory / "express.log", PEER),
        ON_REDIS: lessons(redis.url, "redis.log"),
        ON_FILE: lessons(f"file:{directory}/data", "file.log"),
        IN_MEMORY: lessons("memory:", "memory.log"),
    }


def run(scenario, servers, redis, seconds, runs):
    """The scenario's series by server."""
    chosen = {name: servers[name] for name in scenario.servers}
    jobs = {name: Job(server, scenario.request_on(server.port)) for name, server in chosen.items()}
    return turns.take(scenario.name, jobs, redis, seconds, runs)


def requests_table(results):
    columns = ["", "", "#requests/s", "#p50 ms", "#p99 ms", "#CPU s per 1,000", "#of Express", "goal", "store commands"]
    rows = []
    for scenario, by_server in results.items():
        for name, series in by_server.items():
            ratio = goal = ""
            if EXPRESS in by_server and name != EXPRESS:
                part = series.part_of(by_server[EXPRESS])
                limit = scenario.goal if name == ON_REDIS else scenario.goal / 2
                ratio, goal = f"{part:.3f}", report.against(part, limit, "g")
            rows.append([
                scenario.name,
                name,
                f"{series.requests_per_second():,.0f}",
                f"{series.median('p50_ms'):.2f}",
                f"{series.median('p99_ms'):.2f}",
                f"{statistics.median(series.cpu_per_1000()):.4f}",
                ratio,
                goal,
                report.commands(series.commands) if name in (EXPRESS, ON_REDIS) else "",
            ])
    return report.table(columns, rows)


def memory_table(memory):
    rows = []
    for name, (now, peak) in memory.items():
        goal = report.against(now, MEMORY_GOAL_MIB, "g") if name == ON_REDIS else ""
        rows.append([name, f"{now:.1f}", f"{peak:.1f}", goal])
    note = report.paragraph("With a file, the part of it that is mapped counts as well.")
    return report.table(["memory after all that, MiB", "#resident", "#at its peak", "goal"], rows) + note

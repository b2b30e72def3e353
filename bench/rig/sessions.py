"""Session layers beside each other: the same requests, the same redis-server, in turns."""

import re
import statistics
from contextlib import ExitStack
from dataclasses import dataclass

from . import burst, cargo, census, load, peers, probe, report, store, turns
from .load import Request
from .processes import Failure, Process, free_port
from .turns import Job

EXPRESS, TOWER, ACTIX = "Express", "tower-sessions", "actix-session"
ON_REDIS, IN_MEMORY, ON_FILE = "Tuckbox, Redis", "Tuckbox, memory", "Tuckbox, file"
# Those that keep sessions in Redis.
REMOTE = (EXPRESS, TOWER, ACTIX, ON_REDIS)
EMBEDDED = (IN_MEMORY, ON_FILE)
RUST_PEERS = (TOWER, ACTIX)

EXPRESS_GOAL, PEER_GOAL, EMBEDDED_GOAL = 0.12, 0.9, 0.5

EXPRESS_PEER = peers.PEERS / "express-views"
RUST_PEER = peers.PEERS / "rust-views"
CRATES = ("actix-session", "actix-web", "axum", "fred", "redis", "tower-sessions", "tower-sessions-redis-store")

COUNT = re.compile(r"you viewed this page (\d+) times")


@dataclass(frozen=True)
class Servers:
    """Everything that is measured, by name; Tuckbox's two programs differ in their routes."""

    views: dict
    others: dict

    def all(self):
        return {*self.views.values(), *self.others.values()}


@dataclass(frozen=True)
class Scenario:
    """What is asked."""

    name: str
    path: str
    # What the answer says.
    says: str
    with_cookie: bool = True
    # Whether it is one of the view counter's own pages.
    is_view: bool = True

    def job_on(self, name, servers):
        """The request, with the session that it needs, tried once and looked at."""
        server = (servers.views if self.is_view else servers.others)[name]
        cookie = session_on(server, self.begins_on(name)) if self.with_cookie else None
        request = Request(self.path, cookie=cookie)
        body, _ = load.ask(server.port, request)
        if not re.search(self.says, body):
            raise Failure(f"{self.name} on {name}: {body[:300]}")
        counts = self.is_view and self.with_cookie
        return Job(server, request, (lambda: views_on(server, request)) if counts else None)

    def begins_on(self, name):
        """What begins a session there."""
        return "/foo" if self.is_view or name not in (ON_REDIS, *EMBEDDED) else "/write"


SCENARIOS = (
    Scenario("view", "/foo", COUNT.pattern),
    Scenario("view, new session", "/foo", COUNT.pattern, with_cookie=False),
    Scenario("read", "/read", r'":\s*"?\d', is_view=False),
    Scenario("untouched", "/noop", "", is_view=False),
)


def session_on(server, path):
    """A new session, as a Cookie header."""
    _, cookie = load.ask(server.port, Request(path))
    if cookie is None:
        raise Failure(f"{path} set no cookie")
    return cookie


def views_on(server, request):
    """The count after one more view."""
    body, _ = load.ask(server.port, request)
    return int(COUNT.search(body)[1])


def measure(views, conformance, directory, seconds, runs):
    """Runs all of it; the report's lines."""
    busy = report.load_before()
    peers.install_packages(EXPRESS_PEER)
    built = cargo.build(RUST_PEER)
    with ExitStack() as running:
        redis = running.enter_context(store.Store(directory))
        servers = start_servers(views, conformance, built, directory, redis)
        for server in servers.all():
            running.enter_context(server)
        for server in servers.all():
            server.ready()
        # Before any load: what it leaves behind would hide what sessions take.
        memory = {name: memory_per_session(name, servers, redis) for name in (*REMOTE, IN_MEMORY)}
        redis.empty()
        bursts = {name: burst_on(name, servers) for name in (*REMOTE, *EMBEDDED)}
        costs, series = {}, {}
        for scenario in SCENARIOS:
            redis.empty()
            jobs = {name: scenario.job_on(name, servers) for name in (*REMOTE, *EMBEDDED)}
            costs[scenario] = {
                name: probe.measure(job.server.port, job.request, redis) for name, job in jobs.items()
            }
            series[scenario] = turns.take(scenario.name, jobs, redis, seconds, runs)
    versions = [store.version(), "Node " + report.tool_version("node", "--version").removeprefix("v")]
    versions += [report.wrk_version(), *peers.package_versions(EXPRESS_PEER)]
    versions += peers.crate_versions(RUST_PEER, CRATES)
    lines = report.circumstances("bench/run sessions", versions, busy)
    lines += report.paragraph(load_text(seconds, runs)) + load_table(series)
    lines += report.paragraph(cost_text()) + cost_table(costs)
    lines += report.paragraph(session_text()) + session_table(memory, bursts, series[SCENARIOS[0]])
    return lines


def start_servers(views, conformance, built, directory, redis):
    def server(name, argv, url, env=None, cwd=None):
        port = free_port()
        settings = {"PORT": str(port), "REDIS_URL": url, **(env or {})}
        return Process(argv, port, settings, directory / f"{name}.log", cwd)

    express = {"SESSION_SECRET": "bench", "NODE_ENV": "production"}
    remote = {
        EXPRESS: server("express", ["node", "server.js"], redis.url, express, EXPRESS_PEER),
        TOWER: server("tower-sessions", [built["views-tower-sessions"]], redis.url),
        ACTIX: server("actix-session", [built["views-actix-session"]], redis.url),
    }

    def ours(kind, binary):
        return {
            ON_REDIS: server(f"{kind}-redis", [binary], redis.url),
            IN_MEMORY: server(f"{kind}-memory", [binary], "memory:"),
            ON_FILE: server(f"{kind}-file", [binary], f"file:{directory}/{kind}"),
        }

    return Servers(remote | ours("views", views), remote | ours("conformance", conformance))


def memory_per_session(name, servers, redis):
    """In bytes: the store's, or what the process has resident when the store is in it."""
    redis.empty()
    server = servers.views[name]

    def used():
        if name in EMBEDDED:
            return server.memory_mib()[0] * 2**20
        return redis.figures("memory")["used_memory"]

    return census.bytes_per_session(server.port, Request("/foo"), used)


def burst_on(name, servers):
    server = servers.views[name]
    request = Request("/foo", cookie=session_on(server, "/foo"))
    return burst.measure(server.port, request, lambda: views_on(server, request))


def load_text(seconds, runs):
    return f"""{load.CONNECTIONS} connections, {seconds} s a run, {runs} for each line, in turns after a warm-up of
        {turns.WARM_UP_S} s; medians. No answer had another status than the expected one. CPU is that of the server's
        process alone, all threads, user and system, and beside it redis-server's; "of" is the median of the turns'
        ratios, the best Rust peer the one with the least CPU in that scenario. Tuckbox writes its access log, as JSON
        lines to a file; the peers write none."""


def load_table(results):
    columns = ["", "", "#requests/s", "#p50 ms", "#p99 ms", "#CPU s per 1,000", "#and redis-server's"]
    columns += [f"of Express, goal {EXPRESS_GOAL}", f"of the best Rust peer, goal {PEER_GOAL}"]
    columns += [f"of Tuckbox on Redis, goal {EMBEDDED_GOAL}"]
    rows = []
    for scenario, by_server in results.items():
        best = min((by_server[name] for name in RUST_PEERS), key=lambda peer: statistics.median(peer.cpu_per_1000()))
        for name, series in by_server.items():
            of_store = f"{statistics.median(series.store_cpu_per_1000()):.4f}" if name in REMOTE else ""
            rows.append([
                scenario.name,
                name,
                f"{series.requests_per_second():,.0f}",
                f"{series.median('p50_ms'):.2f}",
                f"{series.median('p99_ms'):.2f}",
                f"{statistics.median(series.cpu_per_1000()):.4f}",
                of_store,
                *ratios(name, series, by_server, best),
            ])
    return report.table(columns, rows)


def ratios(name, series, by_server, best):
    """Of Express, of the best Rust peer, of Tuckbox on Redis; with a word where there is a goal."""
    ours, embedded = name == ON_REDIS, name in EMBEDDED
    return [
        "" if name == EXPRESS else compared(series, by_server[EXPRESS], EXPRESS_GOAL if ours else None),
        compared(series, best, PEER_GOAL if ours else None) if ours or embedded else "",
        compared(series, by_server[ON_REDIS], EMBEDDED_GOAL) if embedded else "",
    ]


def compared(series, other, goal):
    part = series.part_of(other)
    return f"{part:.3f}" + (f" {report.word(part, goal)}" if goal else "")


def cost_text():
    return f"""What one request costs, from {probe.REQUESTS} sent one after the other: the commands that the store was
        sent; how often it had something to read, which is the round trips; the commands that scripts ran there, which
        no client sent; and bytes, headers and all, on the client's connection and on the store's."""


def cost_table(results):
    columns = ["", "", "commands", "#round trips", "run by scripts"]
    columns += ["#bytes from client", "#to client", "#to store", "#from store"]
    rows = []
    for scenario, by_server in results.items():
        for name, costs in by_server.items():
            remote = name in REMOTE
            rows.append([
                scenario.name,
                name,
                report.commands(costs.sent) if remote else "",
                f"{costs.round_trips:.1f}".removesuffix(".0") if remote else "",
                report.commands(costs.by_scripts) if remote and costs.by_scripts else "",
                f"{costs.client_in:,.0f}",
                f"{costs.client_out:,.0f}",
                f"{costs.store_in:,.0f}" if remote else "",
                f"{costs.store_out:,.0f}" if remote else "",
            ])
    return report.table(columns, rows)


def session_text():
    return f"""Memory: what {census.SESSIONS:,} sessions with one count each add to redis-server's `used_memory`, or
        to what the process has resident when the store is in it, beyond the first {census.FIRST:,}. Survival: of the
        views that one session was answered, how many its count then shows; {burst.ROUNDS} times {burst.AT_ONCE}
        requests at the same time, and the runs of the table above, where the last answers may not have been read."""


def session_table(memory, bursts, views):
    columns = ["", "#bytes a live session", "#answered", "#counted", "#survive", "goal", "#survive under load"]
    rows = []
    for name, came in bursts.items():
        survived = came.counted / came.answered
        # wrk leaves up to one answer a connection and run unread.
        under_load = min(1, views[name].counted / views[name].requests())
        ours = name in (ON_REDIS, *EMBEDDED)
        rows.append([
            name,
            f"{memory[name]:,.0f}" if name in memory else "",
            f"{came.answered:,}",
            f"{came.counted:,}",
            f"{survived:.1%}",
            f"100 % {'reached' if came.counted == came.answered else 'missed'}" if ours else "",
            f"{under_load:.1%}",
        ])
    return report.table(columns, rows)

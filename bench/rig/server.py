"""The server beside redis-server: rates, waiting times, processor time and memory, in turns."""

import csv
import io
import json
import shutil
import socket
import statistics
import subprocess
import sys

from . import report
from .processes import Failure, Process, free_port

CONNECTIONS = 50
KEYS = 100_000
FILLED = 1_000_000
# Each write brings another value: what is as it was before may cost a server less.
VALUE = "v" * 88 + "__rand_int__"
COMMANDS = {
    "set": ["SET", "key:__rand_int__", VALUE],
    "hset": ["HSET", "myhash", "element:__rand_int__", VALUE],
    "get": ["GET", "key:__rand_int__"],
}
# One reply of redis-benchmark's in memory is seen in a few microseconds, a synced one in a few hundred.
WORKS = [
    # Name, command, how it is kept, pipeline, requests, goal
    ("SET, synced", "set", "always", 1, 40_000, 1.3),
    ("SET, synced", "set", "always", 16, 300_000, 1.3),
    ("HSET, synced", "hset", "always", 1, 40_000, 1.3),
    ("HSET, synced", "hset", "always", 16, 300_000, 1.3),
    ("SET, in memory", "set", "memory", 1, 150_000, 1.0),
    ("SET, in memory", "set", "memory", 16, 1_000_000, 0.9),
    ("GET, in memory", "get", "memory", 1, 150_000, 1.0),
    ("GET, in memory", "get", "memory", 16, 1_000_000, 0.9),
]
MIX_GOAL = 0.5


def measure(binaries, scratch, seconds, rounds):
    """Runs all of it; the report's lines."""
    busy = report.load_before()
    pairs = {kept: (lambda kept=kept: pair(binaries["tuckbox"], kept, scratch)) for kept in ("always", "memory")}
    rates, mixes, memory = [], [], {}
    for kept, start in pairs.items():
        ours, theirs = start()
        with ours, theirs:
            both = {"tuckbox": ours.ready(), "redis": theirs.ready()}
            for work in (work for work in WORKS if work[2] == kept):
                rates.append(rate(work, both, rounds))
            if kept == "always":
                mixes = [mix(binaries["mix"], both, seconds) for _ in range(rounds)]
        shutil.rmtree(scratch / kept, ignore_errors=True)
    ours, theirs = pairs["memory"]()
    with ours, theirs:
        for name, server in {"tuckbox": ours.ready(), "redis": theirs.ready()}.items():
            memory[name] = bytes_per_key(server)
    versions = [report.tool_version("redis-server", "--version").split(" sha=")[0]]
    lines = report.circumstances("bench/run server", versions, busy)
    lines += report.paragraph(text(rounds)) + rate_table(rates)
    return lines + report.paragraph(mix_text(seconds, rounds)) + mix_table(mixes, memory)


def pair(tuckbox, kept, scratch):
    """A server of ours and one of Redis, each in a directory of its own."""
    ports = free_port(), free_port()
    folders = [scratch / kept / name for name in ("tuckbox", "redis")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    where = ["--dir", folders[0]] if kept == "always" else ["--memory"]
    ours = [tuckbox, "serve", *where, "--listen", f"127.0.0.1:{ports[0]}", "--memory-limit", "2gb"]
    keeps = ["--appendonly", "yes", "--appendfsync", "always"] if kept == "always" else ["--appendonly", "no"]
    theirs = ["redis-server", "--port", ports[1], "--dir", folders[1], "--save", "", *keeps]
    logs = [scratch / f"{kept}-{name}.log" for name in ("tuckbox", "redis")]
    return Process(ours, ports[0], log=logs[0]), Process(theirs, ports[1], log=logs[1])


def rate(work, servers, rounds):
    """Requests a second and processor time a request of both, by round."""
    title, test, _, pipeline, requests, goal = work
    rates, cpu = ({name: [] for name in servers} for _ in range(2))
    for _ in range(rounds):
        for name, server in servers.items():
            before = server.cpu_seconds()
            rates[name].append(benchmark(server.port, test, pipeline, requests))
            cpu[name].append((server.cpu_seconds() - before) / requests * 1e6)
            print(f"{title:16} P{pipeline:<3} {name:8} {rates[name][-1]:10.0f} requests/s", file=sys.stderr, flush=True)
    return {"title": title, "pipeline": pipeline, "goal": goal, "rates": rates, "cpu": cpu}


def benchmark(port, test, pipeline, requests):
    argv = ["redis-benchmark", "-p", port, "-c", CONNECTIONS, "-n", requests, "-P", pipeline, "-r", KEYS]
    done = subprocess.run([str(part) for part in [*argv, "--csv", *COMMANDS[test]]], capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith('"')]
    if done.returncode != 0 or len(lines) != 2:
        raise Failure(f"redis-benchmark: {done.stdout} {done.stderr}")
    return float(next(csv.DictReader(io.StringIO("\n".join(lines))))["rps"])


def mix(binary, servers, seconds):
    """The figures of one round of reads and synced writes, by server."""
    figures = {}
    for name, server in servers.items():
        done = subprocess.run([binary, str(server.port), str(seconds)], capture_output=True, text=True, check=True)
        figures[name] = json.loads(done.stdout)
        print(f"80/20 {name:8} {figures[name]}", file=sys.stderr, flush=True)
    return figures


def bytes_per_key(server):
    """What a million keys of 20 bytes with values of 100 bytes take, by the resident memory."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        answers = connection.makefile("rb")
        before, _ = server.memory_mib()
        value = "v" * 100
        for first in range(0, FILLED, 10_000):
            keys = range(first, first + 10_000)
            wire = "".join(f"*3\r\n$3\r\nSET\r\n$20\r\nkey:{key:016}\r\n$100\r\n{value}\r\n" for key in keys)
            connection.sendall(wire.encode())
            if answers.read(5 * 10_000) != b"+OK\r\n" * 10_000:
                raise Failure("a SET was refused")
        after, _ = server.memory_mib()
    return (after - before) * 1024 * 1024 / FILLED


def text(rounds):
    return f"""redis-benchmark with {CONNECTIONS} connections, keys out of {KEYS:,}, values of 100 bytes; `P` is how many
        requests each connection sends at once; each write brings another value. "Synced" is `--durability always` beside `appendfsync always`: no write
        is acknowledged before it is on disk. Medians of {rounds} rounds in turns; the ratio is the median of the
        rounds' ratios. Processor time is that of the server alone, all its threads."""


def rate_table(rates):
    columns = ["work", "P", "#tuckbox: requests/s", "#redis", "#ratio", "goal", "#tuckbox: CPU µs a request", "#redis"]
    rows = []
    for measured in rates:
        ours, theirs = measured["rates"]["tuckbox"], measured["rates"]["redis"]
        ratio = statistics.median(a / b for a, b in zip(ours, theirs))
        word = "reached" if ratio >= measured["goal"] else "missed"
        cpu = [f"{statistics.median(measured['cpu'][name]):.2f}" for name in ("tuckbox", "redis")]
        cells = [f"{statistics.median(figures):,.0f}" for figures in (ours, theirs)]
        goal = f"{measured['goal']} {word}"
        rows.append([measured["title"], str(measured["pipeline"]), *cells, f"{ratio:.2f}", goal, *cpu])
    return report.table(columns, rows)


def mix_text(seconds, rounds):
    return f"""Four `GET` to one synced `SET` from {CONNECTIONS} connections that each wait for their reply: how long they
        waited; {rounds} rounds of {seconds} s in turns, medians. A million keys of 20 bytes with values of 100 bytes, in
        memory: what the resident memory grew by, a key."""


def mix_table(mixes, memory):
    columns = ["", "#tuckbox", "#redis", "#ratio", "goal"]
    rows = []
    shown = [("get_p99", "p99 of GET, µs"), ("get_p50", "p50 of GET, µs"), ("set_p50", "p50 of SET, µs")]
    for figure, title in shown:
        ratio = statistics.median(each["tuckbox"][figure] / each["redis"][figure] for each in mixes)
        cells = [f"{statistics.median(each[name][figure] for each in mixes):,.0f}" for name in ("tuckbox", "redis")]
        rows.append([title, *cells, f"{ratio:.2f}", report.against(ratio, MIX_GOAL, "") if figure == "get_p99" else ""])
    both = [statistics.median(each[name]["requests"] for each in mixes) for name in ("tuckbox", "redis")]
    rows.append(["requests", *(f"{count:,.0f}" for count in both), f"{both[0] / both[1]:.2f}", ""])
    ratio = memory["tuckbox"] / memory["redis"]
    cells = [f"{memory[name]:.0f}" for name in ("tuckbox", "redis")]
    rows.append(["bytes a key", *cells, f"{ratio:.2f}", report.against(ratio, 1, "")])
    return report.table(columns, rows)

"""The lessons app as a Lambda function, beside the least that a function can be; and its container."""

import gzip
import json
import os
import statistics
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from . import load, peers, report, store
from .load import Request
from .processes import Failure, Process, free_port
from .runtime import Runtime
from .start import App

ROOT = report.BENCH.parent
PEER = peers.PEERS / "lambda-hello"
EVENT = ROOT / "deploy" / "lambda" / "sample-event.json"
HELLO, LESSONS, WARMED = "hello, lambda_http alone", "lessons, Redis", "the same, WARM_UP=on"
STARTS = 15
HOT = 1_000
BUILD_LIMIT_S = 3600
LESSONS_OF_LIST = 50

INIT_GOAL = 1.4
HOT_GOAL_MS, FIRST_GOAL_MS = 0.15, 0.8
BINARY_GOAL, ZIP_GOAL, IMAGE_GOAL = 6_000_000, 3_000_000, 8_000_000
MEMORY_GOAL_MIB, CONTAINER_MEMORY_GOAL_MIB = 12, 15
ANSWER_GOAL_MS = 15


@dataclass
class Runs:
    """The figures of a function, one of each for every start; times in ms."""

    init: list = field(default_factory=list)
    first: list = field(default_factory=list)
    hot_p50: list = field(default_factory=list)
    hot_p99: list = field(default_factory=list)
    memory_mib: list = field(default_factory=list)

    def median(self, name):
        return statistics.median(getattr(self, name))


def measure(directory, seconds):
    """Runs all of it; the report's lines."""
    busy = report.load_before()
    functions = {HELLO: build_hello(), LESSONS: build("lambda", "bootstrap")}
    functions[WARMED] = functions[LESSONS]
    container = build("cloudrun", "dist/app")
    with store.Store(directory) as redis:
        lessons = {"REDIS_URL": redis.url, "LOGIN": "open"}
        settings = {HELLO: {}, LESSONS: lessons, WARMED: {**lessons, "WARM_UP": "on"}}
        runs = {name: Runs() for name in functions}
        for turn in range(STARTS):
            redis.empty()
            for name, program in functions.items():
                start(program, settings[name], directory / "function.log", name != HELLO, runs[name])
            print(f"serverless: start {turn + 1} of {STARTS}", flush=True)
        answered, memory = run_container(container, redis, directory, seconds)
    lines = report.circumstances("bench/run serverless", versions(), busy)
    lines += report.paragraph(
        f"""Each function under a Runtime API on loopback that is written for this bench: {STARTS} starts of each, in
        turns, and {HOT:,} events after each start, one after the other; medians of the starts. INIT is from the start
        of the process to its first request for an event; "first" and "hot" are from the event to the whole answer, and
        "first" includes connecting to Redis, unless `WARM_UP=on` has that done during INIT. The events are a Function URL's `GET /login?userId=…`, each of another user,
        which store a new session. Both are static and
        stripped; the hello is optimized for speed, Tuckbox's function, as it is deployed, for size. While there are events, a loop of the idle scheduling class
        keeps each core awake, or waking them up would be most of what is measured."""
    )
    lines += functions_table(runs) + [""] + sizes_table(functions, container, answered, memory)
    return lines


def build(platform, program):
    """What the platform's deploy script makes of the lessons app."""
    script = ROOT / "deploy" / platform / "build"
    subprocess.run([script, "lessons"], check=True, timeout=BUILD_LIMIT_S, stdout=subprocess.DEVNULL)
    return target(ROOT) / "deploy" / platform / "lessons" / program


def build_hello():
    """The peer, built as the deploy script builds."""
    script = f'. deploy/static.sh && cd "{PEER}" && build_static && echo "$static_dir/lambda-hello"'
    env = {**os.environ, "CARGO_TARGET_DIR": str(target(PEER))}
    done = subprocess.run(
        ["bash", "-euc", script], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=BUILD_LIMIT_S
    )
    return Path(done.stdout.splitlines()[-1])


def target(package):
    """Where cargo builds; the peer, which has a lock file of its own, in a directory of its own."""
    given = os.environ.get("CARGO_TARGET_DIR")
    if not given:
        return package / "target"
    return Path(given) if package == ROOT else Path(given) / "peers" / package.name


@contextmanager
def awake():
    """Keeps every core from idling, by loops that run only where nothing else would."""
    with ExitStack() as running:
        for core in range(os.cpu_count()):
            spinner = running.enter_context(Process(["sh", "-c", "while :; do :; done"], None))
            os.sched_setaffinity(spinner.pid, {core})
            os.sched_setscheduler(spinner.pid, os.SCHED_IDLE, os.sched_param(0))
        yield


def start(program, settings, log, logs_in, runs):
    """One start of the function, and its events, each of a user of its own."""
    events = [json.loads(EVENT.read_text()) for _ in range(HOT + 1)]
    for number, event in enumerate(events):
        event["rawQueryString"] = f"userId=bench-{number}"
        event["queryStringParameters"] = {"userId": f"bench-{number}"}
    with Runtime() as runtime, Process([program], None, {**runtime.env, **settings}, log) as function:
        runs.init.append((runtime.initialized() - function.started) * 1e3)
        with awake():
            times = [taken(runtime, event, logs_in) for event in events]
        runs.first.append(times[0])
        hot = statistics.quantiles(times[1:], n=100)
        runs.hot_p50.append(hot[49])
        runs.hot_p99.append(hot[98])
        runs.memory_mib.append(function.memory_mib()[0])
        # It has nothing to finish, and the next start must not share the machine with its end.
        function.kill()


def taken(runtime, event, logs_in):
    """Milliseconds of one event, whose answer must be the right one."""
    seconds, answer = runtime.invoke(event)
    good = answer["statusCode"] == 303 and len(answer["cookies"]) == 1 if logs_in else answer["body"] == "hello"
    if not good:
        raise Failure(f"the function answered {answer}")
    return seconds * 1e3


def run_container(program, redis, directory, seconds):
    """The image's program as the image runs it: ms to the first answer, and MiB after load."""
    image = {"BIND": "0.0.0.0", "LOGIN": "open", "COOKIE_SECURE": "false", "REDIS_URL": redis.url}
    app = App([program], image, directory / "container.log").prepare()
    answered = statistics.median(app.timed_start()[1] for _ in range(STARTS))
    port = free_port()
    with Process([program], port, {"PORT": str(port), **image}, directory / "container.log") as server:
        server.ready()
        cookie = load.log_in(port, "bench")
        for number in range(LESSONS_OF_LIST):
            load.ask(port, Request(f"/lessons/lesson-{number}/mark-complete", "POST", cookie=cookie))
        load.run(port, Request("/lessons/completed", cookie=cookie), seconds)
        load.run(port, Request("/login?userId=bench", status=303), seconds)
        memory, _ = server.memory_mib()
    return answered, memory


def versions():
    crates = peers.crate_versions(PEER, ("lambda_http", "lambda_runtime"))
    return [store.version(), report.tool_version("rustc", "--version"), *crates]


def functions_table(runs):
    hello, lessons, warmed = runs[HELLO], runs[LESSONS], runs[WARMED]
    goals = {
        "init": hello.median("init") * INIT_GOAL,
        "first": hello.median("first") + FIRST_GOAL_MS,
        "hot_p50": hello.median("hot_p50") + HOT_GOAL_MS,
        "memory_mib": MEMORY_GOAL_MIB,
    }
    rows = []
    for name, label in [
        ("init", "INIT, ms"),
        ("first", "first event, ms"),
        ("hot_p50", "hot, p50 ms"),
        ("hot_p99", "hot, p99 ms"),
        ("memory_mib", "memory after that, MiB"),
    ]:
        value = lessons.median(name)
        goal = report.against(value, goals[name], ".2f") if name in goals else ""
        rows.append([label, f"{hello.median(name):.2f}", f"{value:.2f}", goal, f"{warmed.median(name):.2f}"])
    sums = [f"{statistics.median(map(sum, zip(each.init, each.first))):.2f}" for each in (hello, lessons, warmed)]
    rows.insert(2, ["INIT and first event, ms", sums[0], sums[1], "", sums[2]])
    return report.table(["function", f"#{HELLO}", f"#{LESSONS}", "goal", f"#{WARMED}"], rows)


def sizes_table(functions, container, answered, memory):
    def size(count):
        return f"{count / 1e6:.2f}"

    def against(value, goal):
        return f"{goal / 1e6:g} {report.word(value, goal)}"

    program = functions[LESSONS].stat().st_size
    zipped = functions[LESSONS].with_name("bootstrap.zip").stat().st_size
    image = container.stat().st_size
    packed = len(gzip.compress(container.read_bytes()))
    rows = [
        ["function: binary, MB", size(program), against(program, BINARY_GOAL)],
        ["function: zip, MB", size(zipped), against(zipped, ZIP_GOAL)],
        ["hello: binary, MB", size(functions[HELLO].stat().st_size), ""],
        ["image: its one file, MB", size(image), against(image, IMAGE_GOAL)],
        ["image: as pulled, MB", size(packed), ""],
        ["container: start to the first answer, ms", f"{answered:.1f}", report.against(answered, ANSWER_GOAL_MS, "g")],
        ["container: memory after load, MiB", f"{memory:.1f}", report.against(memory, CONTAINER_MEMORY_GOAL_MIB, "g")],
    ]
    return report.table(["sizes, and the container", "#", "goal"], rows)

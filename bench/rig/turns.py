"""Load on several servers in turns, so that all meet the same noise."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from . import load
from .load import Request
from .processes import Process

WARM_UP_S = 1


@dataclass(frozen=True)
class Job:
    """What one server is asked."""

    server: Process
    request: Request
    # What the answers count up to; looking counts as one more answer.
    count: Callable[[], int] | None = None


@dataclass
class Series:
    """The runs of one job."""

    figures: list = field(default_factory=list)
    cpu_s: list = field(default_factory=list)
    store_cpu_s: list = field(default_factory=list)
    # Of the last run: how often the store ran each command, a request.
    commands: dict = field(default_factory=dict)
    # How far the answers' count has moved, of all runs.
    counted: int = 0

    def median(self, name):
        return statistics.median(run[name] for run in self.figures)

    def requests(self):
        return sum(run["requests"] for run in self.figures)

    def requests_per_second(self):
        return statistics.median(run["requests"] / run["seconds"] for run in self.figures)

    def cpu_per_1000(self):
        runs = zip(self.cpu_s, self.figures)
        return [seconds * 1000 / run["requests"] for seconds, run in runs]

    def store_cpu_per_1000(self):
        runs = zip(self.store_cpu_s, self.figures)
        return [seconds * 1000 / run["requests"] for seconds, run in runs]

    def part_of(self, other):
        """CPU time per request as a part of the other's: the median of the turns."""
        return statistics.median(a / b for a, b in zip(self.cpu_per_1000(), other.cpu_per_1000()))


def take(title, jobs, redis, seconds, runs):
    """The jobs' series, by server."""
    for job in jobs.values():
        load.run(job.server.port, job.request, WARM_UP_S)
    series = {name: Series() for name in jobs}
    for _ in range(runs):
        for name, job in jobs.items():
            run(job, series[name], redis, seconds)
            last = series[name].figures[-1]
            print(f"{title:17} {name:22} {last['requests'] / last['seconds']:8.0f} requests/s", flush=True)
    return series


def run(job, series, redis, seconds):
    """One turn of one server."""
    counted = job.count() if job.count else 0
    redis.forget_counts()
    before, store_before = job.server.cpu_seconds(), redis.cpu_seconds()
    figures = load.run(job.server.port, job.request, seconds)
    series.cpu_s.append(job.server.cpu_seconds() - before)
    series.store_cpu_s.append(redis.cpu_seconds() - store_before)
    series.figures.append(figures)
    counts = redis.counts().items()
    series.commands = {command: count / figures["requests"] for command, count in counts}
    if job.count:
        series.counted += job.count() - counted - 1

"""Databases larger than the memory they may take: the table of bench-engine's figures."""

from . import engine, report

GOAL_START_MS = 20


def measure(engine_binary, directory):
    """Runs all of it; the report's lines."""
    busy = report.load_before()
    found = engine.figures(engine_binary, "large", directory)
    lines = report.circumstances("bench/run large", [report.tool_version("rustc", "--version")], busy)
    lines += report.paragraph(text(found)) + work(found)
    return lines + report.paragraph(starts_text(found)) + starts(found)


def mib(number):
    return f"{number / 1024 / 1024:,.0f}"


def text(found):
    keys, fields = found["keys"], found["fields"]
    return f"""One process with a memory limit of {mib(found['limit_bytes'])} MiB: {keys['count']:,} keys of 20 bytes with values
        of 80, then one hash of {fields['count']:,} fields of 20 bytes with values of 385, 2 GB each, set one by one in no
        order (`everysec`). Then {found['calls']:,} reads and as many writes of items chosen at random, each timed by
        itself; {found['hot']:,} items read again and again, alone and while `SCAN` or `HSCAN` goes through everything; and
        what a checkpoint writes for one change. Memory is `RssAnon` at its most, looked at every 4,096 calls. A million keys
        of 20 bytes with values of 100 take {found['bytes_per_key']} bytes each, measured the same way."""


def work(found):
    columns = ["", "#filling: s", "#MiB at most", "#random work: MiB at most", "goal", "#read: median µs", "#p99 µs", "#write: median µs",
               "#p99 µs", "#hot read: p99 µs", "#during the scan", "#one change: KiB", "#store: MiB"]
    limit = found["limit_bytes"] * 1.1
    rows = []
    for name in ("keys", "fields"):
        one = found[name]

        def us(times, part):
            return f"{times[part] / 1000:,.1f}"

        rows.append([
            name, f"{one['fill_seconds']:,.0f}", f"{one['fill_most_kib'] / 1024:,.0f}", f"{one['most_kib'] / 1024:,.0f}",
            f"{mib(limit)} {report.word(max(one['most_kib'], one['fill_most_kib']) * 1024, limit)}",
            us(one["read"], "median_ns"), us(one["read"], "p99_ns"), us(one["write"], "median_ns"), us(one["write"], "p99_ns"),
            us(one["hot"]["alone"], "p99_ns"), us(one["hot"]["during"], "p99_ns"),
            f"{one['one_change_bytes'] / 1024:,.0f}", mib(one["store_bytes"]),
        ])
    return report.table(columns, rows)


def starts_text(found):
    return f"""From the start of a process to its answer to a `GET`, read through a pipe: the median of {found['times']} starts after
        it ended in order, and of as many after `kill -9` while one writer wrote as fast as it could for 2 s. What it replays
        then is the log since the last checkpoint."""


def starts(found):
    rows = []
    for one in found["starts"]:
        cells = [f"{one['clean_ms']:.1f}", f"{one['killed_ms']:.1f}"]
        goal = f"{GOAL_START_MS} {report.word(max(one['clean_ms'], one['killed_ms']), GOAL_START_MS)}"
        rows.append([f"{one['keys']:,}", *cells, goal])
    return report.table(["keys", "#after a clean stop: ms", "#after `kill -9`: ms", "goal"], rows)

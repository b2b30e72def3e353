"""The engine alone, in process: the table of bench-engine's figures."""

import json
import subprocess

from . import report

MEDIAN_GOAL_NS = 1_000
P999_GOAL_NS = 50_000
DURABLE_GOAL = 10


def measure(engine_binary, directory):
    """Runs all of it; the report's lines."""
    busy = report.load_before()
    latency = figures(engine_binary, "latency", directory / "latency")
    durable = figures(engine_binary, "durable", directory / "durable")
    lines = report.circumstances("bench/run engine", [report.tool_version("rustc", "--version")], busy)
    lines += report.paragraph(latency_text(latency)) + latency_table(latency)
    return lines + report.paragraph(durable_text(durable)) + durable_table(durable)


def figures(engine_binary, command, directory):
    done = subprocess.run([engine_binary, command, directory], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def latency_text(latency):
    return f"""One thread, {latency['keys']:,} keys with values of {latency['value_bytes']} bytes (hashes: as many
        fields, {latency['fields']} to a key), {latency['calls']:,} calls of each command on keys in random order, each
        call timed by itself. The times include reading the clock, {latency['clock_ns']} ns. "Executed" is the engine's
        work on a command that is there and the release of its reply; "with its command" also makes and releases the
        command. "File" logs every write, and syncs in the background (`everysec`); "while saving" is with its command
        while a checkpoint writes every key, all of which were changed before. Most of it is waiting for memory: in the
        same run, one access to a random place in {latency['memory_mib']} MiB took this machine
        {latency['memory_access_ns']} ns."""


def latency_table(latency):
    columns = ["", "", "#executed: median ns", "#p99.9 ns", "#with its command: median ns", "#p99.9 ns", "goal"]
    columns += ["#while saving: median ns", "#p99.9 ns", "goal"]
    rows = []
    for case in latency["cases"]:
        parts = (case[part] for part in ("executed", "whole"))
        cells = [f"{part[figure]:,}" for part in parts for figure in ("median_ns", "p999_ns")]
        cells.append(report.against(case["whole"]["median_ns"], MEDIAN_GOAL_NS, ",") + " (median)")
        if saving := case["saving"]:
            cells += [f"{saving[figure]:,}" for figure in ("median_ns", "p999_ns")]
            cells.append(report.against(saving["p999_ns"], P999_GOAL_NS, ",") + " (p99.9)")
        else:
            cells += [""] * 3
        rows.append([case["command"], case["engine"], *cells])
    return report.table(columns, rows)


def durable_text(durable):
    return f"""Durable writes: {durable['writers']} writers that each `SET` {durable['value_bytes']} bytes and wait till
        that is on disk (`always`), beside the rate at which one writer can append 4 KiB to a file of that directory
        and `fdatasync` it; {durable['rounds']} rounds in turns of {durable['seconds']:g} s each; medians and the median
        of the rounds' ratios."""


def durable_table(durable):
    rows = [["one writer, one fdatasync each", f"{durable['syncs_per_second']:,.0f}", "", ""]]
    for case in durable["cases"]:
        word = "reached" if case["ratio"] >= DURABLE_GOAL else "missed"
        cells = [f"{case['writes_per_second']:,.0f}", f"{case['ratio']:.1f}", f"{DURABLE_GOAL} {word}"]
        rows.append([case["writers"], *cells])
    return report.table(["durable writes", "#a second", "#ratio", "goal"], rows)

"""README.md: the bench writes between its markers and nowhere else."""

import os
import re
import subprocess
import textwrap
import time
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
README = BENCH / "README.md"


def write(section, lines):
    """Replaces what is between the section's markers."""
    begin, end = f"<!-- {section}: begin -->\n", f"<!-- {section}: end -->"
    text = README.read_text()
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{README} has no markers for {section}")
    body = re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
    README.write_text(f"{before}{begin}\n{body}\n\n{end}{after}")


def table(columns, rows):
    """A Markdown table; columns that begin with `#` are numbers."""
    heads = [name.removeprefix("#") for name in columns]
    rules = ["---:" if name.startswith("#") else "---" for name in columns]
    return ["| " + " | ".join(cells) + " |" for cells in [heads, rules, *rows]]


def paragraph(text):
    """Text as lines of the usual width, after an empty one."""
    return ["", *textwrap.wrap(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False), ""]


def circumstances(command, versions, load):
    """When and on what: one paragraph. `load` is that of before the run."""
    where = f"{os.cpu_count()} cores ({_processor()}), Linux {os.uname().release.split('-')[0]}"
    others = f"a load of {load:.1f} from other programs when it began"
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return paragraph(f"`{command}`, {day}, {where}, {others}. {', '.join(versions)}.")


def load_before():
    """The machine's load, before the bench adds its own."""
    return os.getloadavg()[0]


def against(value, goal, form):
    """A figure with its goal, and whether it is reached."""
    return f"{goal:{form}} {word(value, goal)}"


def word(value, goal):
    """Whether a figure is at most its goal."""
    return "reached" if value <= goal else "missed"


def commands(per_request):
    """As in `2 (get, expire)`. Redis has seen up to one request a connection more than wrk."""
    often = {name: count for name, count in sorted(per_request.items()) if count > 0.05}
    if not often:
        return "0"
    names = (name if count < 1.5 else f"{count:.0f} {name}" for name, count in often.items())
    return f"{sum(often.values()):.1f} ({', '.join(names)})".replace(".0 (", " (")


def tool_version(*command):
    """The first line that a program says of its version."""
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout or done.stderr).splitlines()[0].strip()


def wrk_version():
    """As in `wrk 4.1.0`."""
    return "wrk " + tool_version("wrk", "--version").removeprefix("wrk ").split(" [")[0].removeprefix("debian/")


def _processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return os.uname().machine

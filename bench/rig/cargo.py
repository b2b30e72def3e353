"""Release builds."""

import json
import subprocess
from pathlib import Path

BUILD_LIMIT_S = 3600


def build(directory, *arguments):
    """What cargo makes of the package or workspace there: the programs' paths, by name."""
    command = ["cargo", "build", "--release", "--locked", *arguments, "--message-format=json-render-diagnostics"]
    done = subprocess.run(
        command, cwd=directory, stdout=subprocess.PIPE, text=True, check=True, timeout=BUILD_LIMIT_S
    )
    messages = map(json.loads, done.stdout.splitlines())
    made = filter(None, (message.get("executable") for message in messages))
    return {Path(path).name: Path(path) for path in made}

"""Where the tested programs and tools are; they are built and installed before the tests."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
TOOLS = TARGET / "deploy" / "tools"
CLOUDRUN = ROOT / "deploy" / "cloudrun"
LAMBDA = ROOT / "deploy" / "lambda"
EVENTS = LAMBDA / "events"


def dist(app):
    """What deploy/cloudrun/build makes: the root of the Containerfile's build stage."""
    return TARGET / "deploy" / "cloudrun" / app


def bootstrap(app):
    """What deploy/lambda/build makes."""
    return TARGET / "deploy" / "lambda" / app / "bootstrap"


def python_tool(name):
    return TOOLS / "python" / "bin" / name

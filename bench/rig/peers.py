"""The peers: what they need, built from their lock files, and what they are."""

import json
import subprocess
import tomllib

from . import report

PEERS = report.BENCH / "peers"
BUILD_LIMIT_S = 1800


def install_packages(peer):
    """What a Node.js peer needs, exactly as its lock file says."""
    modules = peer / "node_modules" / ".package-lock.json"
    lock = peer / "package-lock.json"
    if not modules.exists() or modules.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=peer, check=True, timeout=BUILD_LIMIT_S)


def package_versions(peer):
    """Of the packages that a Node.js peer names."""
    lock = json.loads((peer / "package-lock.json").read_text())["packages"]
    return [f"{name} {lock['node_modules/' + name]['version']}" for name in lock[""]["dependencies"]]


def crate_versions(peer, names):
    """Of these crates of a Rust peer."""
    packages = tomllib.loads((peer / "Cargo.lock").read_text())["package"]
    return [f"{package['name']} {package['version']}" for package in packages if package["name"] in names]

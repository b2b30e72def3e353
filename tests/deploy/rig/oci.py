"""Images without a daemon: buildah builds, umoci unpacks, runc runs. Needs root."""

import json
import signal
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from .processes import Process, free_port

BUILD_LIMIT_S = 120


class Image:
    """An image built from a Containerfile whose stage `build` is replaced by a directory, so that
    nothing is pulled. Use it in a `with`."""

    def __init__(self, containerfile, build_stage):
        self._place = tempfile.TemporaryDirectory(prefix="image-")
        self.root = Path(self._place.name)
        self.layout = self.root / "oci"
        # Of the context only the replaced stage reads anything.
        context = self.root / "context"
        context.mkdir()
        stage = f"build={build_stage}"
        try:
            self._buildah("bud", "--isolation", "chroot", "--build-context", stage, "-f", containerfile, "-t", "app", context)
            self._buildah("push", "--quiet", "app", f"oci:{self.layout}:test")
        except BaseException:
            self.remove()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    def _buildah(self, *arguments):
        storage = ["--root", self.root / "storage", "--runroot", self.root / "run", "--storage-driver", "vfs"]
        run(["buildah", *storage, *arguments])

    def remove(self):
        """Everything of it; buildah's storage lies within."""
        self._place.cleanup()

    def config(self):
        """The image's configuration, as the registry holds it."""
        manifest = self._blob(json.loads((self.layout / "index.json").read_text())["manifests"][0])
        return self._blob(manifest["config"])

    def compressed_bytes(self):
        """What is pushed and pulled: all of the layout's blobs."""
        return sum(blob.stat().st_size for blob in (self.layout / "blobs" / "sha256").iterdir())

    def _blob(self, descriptor):
        return json.loads((self.layout / "blobs" / descriptor["digest"].replace(":", "/")).read_text())

    def unpack(self, bundle):
        run(["umoci", "unpack", "--image", f"{self.layout}:test", bundle])


class Container(Process):
    """The image's program under runc, with a read-only root, without capabilities, in the
    host's network, at a PORT that the system chose, with files of the host's mounted read-only by
    their paths in the container. Use it in a `with`."""

    def __init__(self, image, env, mounts=None):
        self._place = tempfile.TemporaryDirectory(prefix="container-")
        place = Path(self._place.name)
        self.bundle, self._state = place / "bundle", place / "state"
        self._id = f"tuckbox-{uuid.uuid4().hex[:12]}"
        self.port = free_port()
        try:
            image.unpack(self.bundle)
            self._configure({"PORT": str(self.port), **env}, mounts or {})
            super().__init__([runc(), "--root", self._state, "run", "-b", self.bundle, self._id])
        except BaseException:
            self._place.cleanup()
            raise

    def _configure(self, env, mounts):
        path = self.bundle / "config.json"
        config = json.loads(path.read_text())
        kept = [entry for entry in config["process"]["env"] if entry.split("=")[0] not in env]
        config["process"]["env"] = kept + [f"{name}={value}" for name, value in env.items()]
        config["process"]["terminal"] = False
        # It needs none.
        config["process"]["capabilities"] = {}
        config["root"]["readonly"] = True
        for source, destination in mounts.items():
            mount = {"source": source, "destination": destination, "type": "bind", "options": ["bind", "ro"]}
            config["mounts"].append(mount)
        spaces = config["linux"]["namespaces"]
        config["linux"]["namespaces"] = [space for space in spaces if space["type"] != "network"]
        path.write_text(json.dumps(config))

    def ready(self, port=None):
        return super().ready(port or self.port)

    def program(self):
        """The pid of the program itself, as the host counts."""
        done = run([runc(), "--root", self._state, "state", self._id])
        return json.loads(done)["pid"]

    def status(self):
        """/proc/PID/status of the program, by field."""
        lines = Path(f"/proc/{self.program()}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def terminate(self):
        run([runc(), "--root", self._state, "kill", self._id, str(signal.SIGTERM.value)])

    def kill(self):
        """Ends it, and takes away what runc has mounted and made."""
        subprocess.run([runc(), "--root", self._state, "delete", "--force", self._id], capture_output=True, check=False)
        super().kill()
        self._place.cleanup()


def runc():
    return shutil.which("runc") or "/usr/sbin/runc"


def run(command):
    """Runs a tool; what it printed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=BUILD_LIMIT_S, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout

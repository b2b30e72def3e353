"""The Containerfile's images, as Cloud Run runs them: PORT from the platform, a read-only root, a user
that is nobody, SIGTERM and 10 s. The build stage is replaced by what it would have built."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from rig import programs
from rig.browser import Browser
from rig.oci import Container, Image
from rig.processes import free_port, listens, wait_until
from rig.store import Store
from rig.walk import LessonsSuite, ViewsSuite

SIZE_LIMIT = 8_000_000
# What the platform itself says to every container.
PLATFORM = {"K_SERVICE": "lessons", "K_REVISION": "lessons-00001-abc", "K_CONFIGURATION": "lessons"}
# Between SIGTERM and SIGKILL.
PLATFORM_PATIENCE_S = 10

skipped = os.geteuid() != 0 and os.environ.get("TUCKBOX_REQUIRE_CONTAINERS") != "1"


class WithImage(unittest.TestCase):
    """An image of the app, for all tests of the class."""

    app = "lessons"

    @classmethod
    def setUpClass(cls):
        if skipped:
            raise unittest.SkipTest("containers need root")
        cls.image = cls.enterClassContext(Image(programs.CLOUDRUN / "Containerfile", programs.dist(cls.app)))

    def store(self):
        return self.enterContext(Store())

    def container(self, env):
        return self.enterContext(Container(self.image, env)).ready()


class AppSuite(WithImage):
    """One container for all tests of the class."""

    env = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        store = cls.enterClassContext(Store())
        container = cls.enterClassContext(Container(cls.image, {**PLATFORM, "REDIS_URL": store.url, **cls.env}))
        cls.port = container.ready().port


class LessonsInAContainer(AppSuite, LessonsSuite):
    env = {"LOGIN": "open"}


class ViewsInAContainer(AppSuite, ViewsSuite):
    app = "views"


class TheImage(WithImage):
    def test_it_is_small(self):
        program = (programs.dist(self.app) / "dist" / "app").stat().st_size
        compressed = self.image.compressed_bytes()
        self.assertLess(program, SIZE_LIMIT)
        self.assertLess(compressed, SIZE_LIMIT)

    def test_it_holds_one_file(self):
        container = self.container({"REDIS_URL": self.store().url})
        found = [path for path in (container.bundle / "rootfs").rglob("*") if path.is_file()]
        self.assertEqual([path.name for path in found], ["app"])

    def test_it_says_how_it_is_run(self):
        config = self.image.config()["config"]
        self.assertEqual(config["Entrypoint"], ["/app"])
        self.assertEqual(config["User"], "65532:65532")
        self.assertEqual(list(config["ExposedPorts"]), ["8080/tcp"])
        self.assertIn("BIND=0.0.0.0", config["Env"])

    def test_it_runs_as_nobody_with_no_way_up_and_nothing_to_write_to(self):
        container = self.container({"REDIS_URL": self.store().url})
        status = container.status()
        self.assertEqual(status["Uid"].split(), ["65532"] * 4)
        self.assertEqual(status["Gid"].split(), ["65532"] * 4)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(int(status["CapEff"], 16), 0)
        with open(f"/proc/{container.program()}/mountinfo") as mounts:
            root = next(line.split() for line in mounts if line.split()[4] == "/")
        self.assertIn("ro", root[5].split(","))

    def test_it_listens_on_every_address_at_the_port_it_is_given(self):
        container = self.container({"REDIS_URL": self.store().url})
        with open(f"/proc/{container.program()}/net/tcp") as sockets:
            listening = [line.split()[1] for line in sockets if line.split()[3] == "0A"]
        self.assertIn(f"00000000:{container.port:04X}", listening)

    def test_an_embedded_store_is_refused(self):
        """The platform's disk is memory, and gone with the instance."""
        for url in [{"REDIS_URL": "file:/data"}, {"REDIS_URL": "memory:"}, {}]:
            with self.subTest(url=url):
                container = self.enterContext(Container(self.image, {**PLATFORM, **url}))
                self.assertEqual(container.exit_status(), 1)
                self.assertRegex(container.said(), "^error: .* would not last here: Cloud Run .* redis://")

    def test_every_line_of_the_log_is_in_cloud_loggings_form(self):
        container = self.container({**PLATFORM, "REDIS_URL": self.store().url, "GOOGLE_CLOUD_PROJECT": "school"})
        trace = {"x-cloud-trace-context": "105445aa7843bc8bf206b12000100000/1;o=1"}
        Browser(container.port).get("/lessons/completed", **trace)
        container.says("/lessons/completed")
        lines = [json.loads(line) for line in container.said().splitlines()]
        self.assertTrue(all({"message", "severity"} <= set(line) for line in lines), lines)
        [request] = [line for line in lines if "logging.googleapis.com/trace" in line]
        trace = "projects/school/traces/105445aa7843bc8bf206b12000100000"
        self.assertEqual(request["logging.googleapis.com/trace"], trace)

    def test_the_store_can_be_a_mounted_secret(self):
        store = self.store()
        secret = self.enterContext(tempfile.NamedTemporaryFile("w", suffix=".secret"))
        os.chmod(secret.name, 0o444)
        secret.write(f"{store.url}\n")
        secret.flush()
        env = {**PLATFORM, "REDIS_URL_FILE": "/secrets/redis-url", "LOGIN": "open"}
        mounts = {secret.name: "/secrets/redis-url"}
        container = self.enterContext(Container(self.image, env, mounts)).ready()
        self.assertEqual(Browser(container.port).log_in("ada").get("/lessons/completed").status, 200)


class TheContext(unittest.TestCase):
    """What a build of the image gets to see: here the build stage itself is never run."""

    def test_it_has_every_package_of_the_workspace_and_the_build_script(self):
        context = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="context-")))
        [first, *lines] = [
            line
            for line in (programs.CLOUDRUN / "Containerfile.dockerignore").read_text().splitlines()
            if line and not line.startswith("#")
        ]
        self.assertEqual(first, "*")
        for line in lines:
            if line.startswith("!"):
                source, target = programs.ROOT / line[1:], context / line[1:]
                target.parent.mkdir(parents=True, exist_ok=True)
                if source.is_dir():
                    shutil.copytree(source, target, ignore=shutil.ignore_patterns("node_modules", "target"))
                else:
                    shutil.copy2(source, target)
        asked = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--locked", "--offline"]
        done = subprocess.run(asked, cwd=context, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        packages = {package["name"] for package in json.loads(done.stdout)["packages"]}
        self.assertLessEqual({"lessons", "views"}, packages)
        self.assertTrue(os.access(context / "deploy/cloudrun/build", os.X_OK))
        self.assertTrue((context / "deploy/static.sh").is_file())


class Stopping(WithImage):
    def half_a_login(self, port):
        """A login whose body is half sent, with the app waiting for the rest."""
        client = self.enterContext(socket.create_connection(("127.0.0.1", port), timeout=30))
        head = "POST /login HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n"
        head += "content-type: application/x-www-form-urlencoded\r\nexpect: 100-continue\r\n\r\n"
        client.sendall(head.encode())
        self.assertEqual(client.recv(25), b"HTTP/1.1 100 Continue\r\n\r\n")
        client.sendall(b"userI")
        return client

    def test_readiness_fails_first_and_what_is_in_flight_ends(self):
        store = self.store()
        # Long enough for a slow machine to look.
        container = self.container({"REDIS_URL": store.url, "LOGIN": "open", "SHUTDOWN_DELAY": "3s"})
        browser = Browser(container.port)
        self.assertEqual(browser.get("/readyz").status, 200)
        login = self.half_a_login(container.port)
        container.terminate()
        container.says("stopping")
        wait_until(lambda: browser.get("/readyz").status == 503, "readiness fails")
        self.assertEqual(browser.get("/healthz").status, 200)
        self.assertEqual(browser.get("/lessons/completed").status, 403)
        wait_until(lambda: not listens(container.port), "no more connections are taken")
        login.sendall(b"d=ada")
        answer = login.makefile("rb").read().decode()
        self.assertTrue(answer.startswith("HTTP/1.1 303 "), answer)
        self.assertEqual(container.exit_status(), 0)
        cookie = re.search(r"__Host-session=([^;]+)", answer)[1]
        # What it answered, it has stored.
        again = Browser(self.container({"REDIS_URL": store.url}).port)
        again.jar["__Host-session"] = cookie
        self.assertEqual(again.get("/lessons/completed").body, '{"Lessons":{}}')

    def test_it_ends_before_the_platform_kills_it_whatever_is_in_flight(self):
        container = self.container({"REDIS_URL": self.store().url, "LOGIN": "open"})
        self.half_a_login(container.port)
        began = time.monotonic()
        container.terminate()
        self.assertEqual(container.exit_status(), 0)
        self.assertLess(time.monotonic() - began, PLATFORM_PATIENCE_S)
        self.assertIn('"connections_cut":1', container.said())

    def test_without_its_store_it_is_alive_but_not_ready(self):
        container = self.container({"REDIS_URL": f"redis://127.0.0.1:{free_port()}"})
        browser = Browser(container.port)
        self.assertEqual(browser.get("/healthz").status, 200)
        self.assertEqual(browser.get("/readyz").status, 503)
        container.terminate()
        self.assertEqual(container.exit_status(), 0)


if __name__ == "__main__":
    unittest.main()

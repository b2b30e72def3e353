"""The functions over HTTP: cargo-lambda's emulator turns requests into a Function URL's events. What a
local server passes, they pass: one request at a time, and with several at a time in one sandbox."""

import unittest

from rig.functions import Gateway
from rig.processes import Process, free_port
from rig import programs
from rig.store import Store
from rig.walk import LessonsSuite, ViewsSuite


class Served(unittest.TestCase):
    """A function behind the emulator, for all tests of the class."""

    app = "lessons"
    env = {}

    @classmethod
    def setUpClass(cls):
        store = cls.enterClassContext(Store())
        gateway = cls.enterClassContext(Gateway())
        env = {"REDIS_URL": store.url, "LOGIN": "open", "AWS_LAMBDA_LOG_FORMAT": "JSON", **cls.env}
        cls.function = cls.enterClassContext(gateway.function(cls.app, env))
        cls.port = gateway.port


class LessonsAsAFunction(Served, LessonsSuite):
    def test_the_log_names_x_rays_trace(self):
        self.browser().get("/traced")
        self.function.says('"/traced"')
        [line] = [line for line in self.function.lines() if line.get("path") == "/traced"]
        self.assertRegex(line["xray_trace_id"], r"^1-[0-9a-f]{8}-[0-9a-f]{24}$")


class LessonsAsAConcurrentFunction(Served, LessonsSuite):
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "8"}


class ViewsAsAFunction(Served, ViewsSuite):
    app = "views"


class LessonsAsALocalServer(unittest.TestCase, LessonsSuite):
    """The same suite, told that browsers come by HTTPS."""

    @classmethod
    def setUpClass(cls):
        store = cls.enterClassContext(Store())
        cls.port = free_port()
        env = {"PORT": str(cls.port), "REDIS_URL": store.url, "COOKIE_SECURE": "true", "LOGIN": "open"}
        program = programs.dist("lessons") / "dist" / "app"
        cls.enterClassContext(Process([program], env)).ready(cls.port)


if __name__ == "__main__":
    unittest.main()

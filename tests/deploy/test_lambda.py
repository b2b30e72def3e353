"""The functions as Lambda runs them: the release programs under AWS's own emulator, with the sample
events; frozen and thawed; with the store's URL from a parameter."""

import json
import re
import signal
import time
import unittest

from rig import programs
from rig.extension import TOKEN, Extension
from rig.functions import Emulated, event
from rig.store import Store
from rig.walk import TIME

BINARY_LIMIT, ZIP_LIMIT = 6_000_000, 3_000_000
KINDS = ["function-url", "http-api", "rest-api", "alb", "alb-multi"]


def cookie_of(response):
    """The session that a response sets, as the kind of its event says it."""
    if lines := response.get("cookies"):
        [line] = lines
    else:
        several = {name.lower(): values for name, values in (response.get("multiValueHeaders") or {}).items()}
        single = {name.lower(): value for name, value in (response.get("headers") or {}).items()}
        line = several["set-cookie"][0] if several.get("set-cookie") else single["set-cookie"]
    return re.match(r"__Host-session=([^;]+); .*Secure", line)[1]


def header(response, name):
    """A header of the response, wherever its kind of event has it."""
    single = {key.lower(): value for key, value in (response.get("headers") or {}).items()}
    several = {key.lower(): values for key, values in (response.get("multiValueHeaders") or {}).items()}
    return single.get(name) or several.get(name, [None])[0]


class WithFunction(unittest.TestCase):
    def store(self, password=None):
        return self.enterContext(Store(password))

    def function(self, env, app="lessons"):
        return self.enterContext(Emulated(app, {"LOGIN": "open", **env}))


class Events(WithFunction):
    @classmethod
    def setUpClass(cls):
        store = cls.enterClassContext(Store())
        cls.lessons = cls.enterClassContext(Emulated("lessons", {"REDIS_URL": store.url, "LOGIN": "open"}))

    def test_each_kind_walks_the_tutorial(self):
        for kind in KINDS:
            with self.subTest(kind=kind):
                login = self.lessons.invoke(event(f"{kind}-login-query"))
                self.assertEqual(login["statusCode"], 303, login)
                self.assertEqual(header(login, "location"), "/lessons/completed")
                cookie = cookie_of(login)
                if kind != "alb-multi":
                    marked = self.lessons.invoke(event(f"{kind}-mark-complete", cookie))
                    self.assertEqual(marked["statusCode"], 200, marked)
                    self.assertRegex(marked["body"], rf'^{{"LessonSlug":"123","LastCompleted":"{TIME}"}}$')
                listed = self.lessons.invoke(event(f"{kind}-list", cookie))
                self.assertEqual(listed["statusCode"], 200, listed)
                self.assertRegex(listed["body"], rf'^{{"Lessons":{{"123":"{TIME}"}}}}$')
                self.assertFalse(listed["isBase64Encoded"])
                self.assertTrue(header(listed, "content-type").startswith("application/json"))

    def test_each_kind_logs_in_by_a_form(self):
        for kind in KINDS[:4]:
            with self.subTest(kind=kind):
                login = self.lessons.invoke(event(f"{kind}-login-form"))
                self.assertEqual(login["statusCode"], 303, login)
                listed = self.lessons.invoke(event(f"{kind}-list", cookie_of(login)))
                self.assertEqual(listed["statusCode"], 200, listed)

    def test_without_a_session_each_kind_is_refused(self):
        for kind in KINDS:
            with self.subTest(kind=kind):
                refused = self.lessons.invoke(event(f"{kind}-list"))
                self.assertEqual((refused["statusCode"], refused["body"]), (403, "{}"))

    def test_every_sample_event_is_used_here(self):
        known = {f"{kind}-{what}.json" for kind in KINDS for what in ["login-query", "login-form", "list", "mark-complete"]}
        self.assertEqual({path.name for path in programs.EVENTS.iterdir()} - known, set())


class TheProgram(WithFunction):
    def test_it_is_small_and_zipped_as_lambda_takes_it(self):
        for app in ["lessons", "views"]:
            bootstrap = programs.bootstrap(app)
            self.assertLess(bootstrap.stat().st_size, BINARY_LIMIT)
            self.assertLess(bootstrap.with_name("bootstrap.zip").stat().st_size, ZIP_LIMIT)

    def test_it_needs_no_library_of_the_system(self):
        for app in ["lessons", "views"]:
            self.assertNotIn(b"/lib64/ld-linux", programs.bootstrap(app).read_bytes())

    def test_the_log_names_the_request_and_the_cold_start(self):
        function = self.function({"REDIS_URL": self.store().url, "AWS_LAMBDA_LOG_FORMAT": "JSON"})
        for _ in range(2):
            self.assertEqual(function.invoke(event("function-url-list"))["statusCode"], 403)
        function.says("/lessons/completed", times=2)
        lines = [line for line in function.lines() if "requestId" in line]
        self.assertEqual([line["cold_start"] for line in lines], [True, False], function.said())
        self.assertNotEqual(lines[0]["requestId"], lines[1]["requestId"])
        for line in lines:
            self.assertIn(f"RequestId: {line['requestId']} ", function.said())

    def test_at_the_end_of_a_sandbox_it_stops_in_order(self):
        function = self.function({"REDIS_URL": self.store().url, "AWS_LAMBDA_LOG_FORMAT": "JSON"})
        function.invoke(event("function-url-list"))
        function.signal(signal.SIGTERM)
        function.says('"stopping"')
        self.assertEqual(function.exit_status(), 0)

    def test_an_embedded_store_is_refused(self):
        for url in [{"REDIS_URL": "file:/tmp/data"}, {"REDIS_URL": "memory:"}, {}]:
            with self.subTest(url=url):
                function = self.function(url)
                answer = json.dumps(function.invoke(event("function-url-list")))
                self.assertIn("would not last here: AWS Lambda", answer)


class FreezeAndThaw(WithFunction):
    def test_a_connection_that_the_server_dropped_meanwhile_costs_one_reconnect(self):
        store = self.store()
        function = self.function({"REDIS_URL": store.url})
        cookie = cookie_of(function.invoke(event("sample-event")))
        taken = store.connections_taken()
        for what in ["list", "mark-complete", "list"]:
            function.freeze()
            self.assertEqual(store.drop_clients(), 1)
            function.thaw()
            answer = function.invoke(event(f"function-url-{what}", cookie))
            self.assertEqual(answer["statusCode"], 200, answer)
            taken += 1
            self.assertEqual(store.connections_taken(), taken)

    def test_a_thaw_with_the_connection_alive_costs_nothing(self):
        store = self.store()
        function = self.function({"REDIS_URL": store.url})
        cookie = cookie_of(function.invoke(event("sample-event")))
        taken = store.connections_taken()
        function.freeze()
        function.thaw()
        self.assertEqual(function.invoke(event("function-url-list", cookie))["statusCode"], 200)
        self.assertEqual(store.connections_taken(), taken)

    def test_a_sandbox_has_one_connection(self):
        store = self.store()
        before = store.connections_taken()
        function = self.function({"REDIS_URL": store.url})
        for _ in range(5):
            function.invoke(event("sample-event"))
        self.assertEqual(store.connections_taken(), before + 1)


class TheParameter(WithFunction):
    """The store's URL from SSM Parameter Store, through a fake of AWS's extension."""

    def extension(self, **settings):
        return self.enterContext(Extension(**settings))

    def test_the_url_is_asked_for_once_and_not_during_init(self):
        store = self.store("first")
        extension = self.extension(value=store.url)
        function = self.function(extension.env())
        cookie = cookie_of(function.invoke(event("sample-event")))
        for _ in range(3):
            self.assertEqual(function.invoke(event("function-url-list", cookie))["statusCode"], 200)
        self.assertEqual(len(extension.asked), 1)
        self.assertLess(function.said().index("INIT RTDONE"), function.said().index("INVOKE START"))

    def test_a_slow_answer_is_waited_for(self):
        store = self.store()
        function = self.function(self.extension(value=store.url, delay_s=0.5).env())
        answer = function.invoke(event("sample-event"))
        self.assertEqual(answer["statusCode"], 303, function.said())

    def test_an_answer_that_does_not_come_is_an_error_and_the_next_request_tries_again(self):
        store = self.store()
        extension = self.extension(value=store.url, delay_s=5)
        function = self.function(extension.env())
        began = time.monotonic()
        self.assertEqual(function.invoke(event("sample-event"))["statusCode"], 503)
        self.assertLess(time.monotonic() - began, 5)
        extension.delay_s = 0
        self.settles(function, 303)

    def settles(self, function, status):
        """A refusal is remembered for a moment: asks until that is over."""
        end = time.monotonic() + 20
        while (answer := function.invoke(event("sample-event")))["statusCode"] != status:
            self.assertLess(time.monotonic(), end, answer)

    def test_a_missing_or_refused_parameter_is_named_in_the_log_only(self):
        for refusal, says in [
            ((400, "... ParameterNotFound ..."), "there is no SSM parameter"),
            ((400, "... AccessDeniedException ..."), "ssm:GetParameter"),
        ]:
            with self.subTest(says=says):
                extension = self.extension(refusal=refusal)
                function = self.function({**extension.env(), "AWS_LAMBDA_LOG_FORMAT": "JSON"})
                answer = function.invoke(event("sample-event"))
                self.assertEqual(answer["statusCode"], 503, answer)
                self.assertNotIn(Extension.NAME, json.dumps(answer))
                function.says(says)
                self.assertIn(Extension.NAME, function.said())

    def test_a_rotated_password_needs_no_redeploy(self):
        store = self.store("first-password")
        extension = self.extension(value=store.url)
        function = self.function({**extension.env(), "AWS_LAMBDA_LOG_FORMAT": "JSON"})
        cookie = cookie_of(function.invoke(event("sample-event")))
        store.change_password("second-password")
        extension.value = store.url
        function.freeze()
        store.drop_clients()
        function.thaw()
        self.assertEqual(function.invoke(event("function-url-list", cookie))["statusCode"], 200)
        self.assertEqual(len(extension.asked), 2)
        for secret in ["first-password", "second-password", TOKEN]:
            self.assertNotIn(secret, function.said())


if __name__ == "__main__":
    unittest.main()

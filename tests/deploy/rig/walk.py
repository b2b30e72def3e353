"""What users of the apps can do, wherever they run: one suite for a local server, a container and a
Lambda function. A test class adds one of these and says in `self.port` where the app is reached."""

import re
from concurrent.futures import ThreadPoolExecutor

from .browser import Browser

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)"


class LessonsSuite:
    """The tutorial's app, behind HTTPS: the cookie is `__Host-session`."""

    def browser(self):
        return Browser(self.port)

    def test_the_tutorials_walk(self):
        browser = self.browser()
        refused = browser.get("/lessons/completed")
        self.assertEqual((refused.status, refused.body), (403, "{}"))
        self.assertEqual(browser.mark("123").status, 403)
        login = browser.get("/login?userId=walk")
        self.assertEqual((login.status, login.headers["location"]), (303, "/lessons/completed"))
        listed = browser.get("/lessons/completed")
        self.assertEqual((listed.status, listed.body), (200, '{"Lessons":{}}'))
        marked = browser.mark("123")
        self.assertEqual(marked.status, 200)
        self.assertRegex(marked.body, rf'^{{"LessonSlug":"123","LastCompleted":"{TIME}"}}$')
        time = re.search(TIME, marked.body)[0]
        self.assertEqual(browser.get("/lessons/completed").body, f'{{"Lessons":{{"123":"{time}"}}}}')

    def test_the_cookie_is_one_that_only_https_and_this_host_see(self):
        browser = self.browser()
        cookies = browser.get("/login?userId=cookie").cookies
        self.assertEqual(list(cookies), ["__Host-session"])
        cookie = cookies["__Host-session"]
        self.assertRegex(cookie.value, r"^[A-Za-z0-9_-]{52}$")
        self.assertTrue(cookie["secure"] and cookie["httponly"])
        self.assertEqual((cookie["path"], cookie["domain"], cookie["samesite"]), ("/", "", "Lax"))

    def test_a_form_logs_in_as_well(self):
        for path, form in [("/login", "userId=form"), ("/login", "other=1&userId=+form%20"), ("/login?userId=form", "")]:
            with self.subTest(path=path, form=form):
                browser = self.browser()
                self.assertEqual(browser.post(path, form).status, 303)
                self.assertIn('<strong id="user">form</strong>', browser.get("/").body)

    def test_a_login_without_a_user_is_refused(self):
        browser = self.browser()
        for path in ["/login", "/login?userId=", "/login?user=ada", "/login?userId=+%09"]:
            for answer in [browser.get(path), browser.post(path)]:
                self.assertEqual((answer.status, answer.body), (400, '{"Message":"Missing required userId"}'), path)
        self.assertEqual(browser.jar, {})

    def test_lessons_are_listed_by_name_whatever_they_are_called(self):
        browser = self.browser().log_in("names")
        for slug in ["b", "10", "~c", "9", "a.b_c-d"]:
            self.assertEqual(browser.mark(slug).status, 200)
        slugs = re.findall(rf'"([^"]+)":"{TIME}"', browser.get("/lessons/completed").body)
        self.assertEqual([slug for slug, _ in slugs], ["10", "9", "a.b_c-d", "b", "~c"])
        for path in ["a%2Fb", "%C3%A9", "a%20b"]:
            self.assertEqual(browser.mark(path).status, 400, path)

    def test_users_see_their_own_lessons_only(self):
        ada, grace = self.browser().log_in("own-ada"), self.browser().log_in("own-grace")
        ada.mark("1")
        grace.mark("2")
        self.assertRegex(ada.get("/lessons/completed").body, rf'^{{"Lessons":{{"1":"{TIME}"}}}}$')
        self.assertRegex(grace.get("/lessons/completed").body, rf'^{{"Lessons":{{"2":"{TIME}"}}}}$')

    def test_a_login_renews_the_id(self):
        browser = self.browser().log_in("renew")
        before = dict(browser.jar)
        browser.log_in("renew")
        self.assertNotEqual(browser.jar, before)
        self.assertEqual(browser.get("/lessons/completed").status, 200)
        old = self.browser()
        old.jar = before
        self.assertEqual(old.get("/lessons/completed").status, 403)

    def test_a_logout_ends_the_session_and_keeps_the_lessons(self):
        browser = self.browser().log_in("leaver")
        browser.mark("123")
        copy = self.browser()
        copy.jar = dict(browser.jar)
        logout = browser.post("/logout")
        self.assertEqual((logout.status, logout.headers["location"]), (303, "/"))
        self.assertEqual(browser.jar, {})
        self.assertEqual(copy.get("/lessons/completed").status, 403)
        browser.log_in("leaver")
        self.assertIn('"123"', browser.get("/lessons/completed").body)

    def test_the_session_is_found_among_other_cookies(self):
        browser = self.browser()
        browser.jar = {"theme": "dark", "_ga": "GA1.1.2.3"}
        browser.log_in("jar")
        browser.jar = {"first": "1", **browser.jar, "last": "a=b"}
        self.assertEqual(browser.get("/lessons/completed").status, 200)

    def test_lessons_marked_at_the_same_time_are_all_there(self):
        browser = self.browser().log_in("busy")
        slugs = [str(number) for number in range(10, 40)]
        with ThreadPoolExecutor(8) as threads:
            statuses = list(threads.map(lambda slug: browser.mark(slug).status, slugs))
        self.assertEqual(set(statuses), {200})
        listed = browser.get("/lessons/completed").body
        self.assertEqual([slug for slug in slugs if f'"{slug}":' not in listed], [])

    def test_the_page_is_html_of_this_app_alone(self):
        page = self.browser().log_in("page").get("/")
        self.assertEqual(page.status, 200)
        self.assertTrue(page.headers["content-type"].startswith("text/html"))
        self.assertIn("default-src 'none'", page.headers["content-security-policy"])
        self.assertTrue(page.body.startswith("<!doctype html>") and page.body.rstrip().endswith("</html>"))

    def test_other_paths_and_methods_are_refused(self):
        browser = self.browser()
        for path in ["/nothing", "/lessons", "/login/"]:
            self.assertEqual(browser.get(path).status, 404, path)
        for path in ["/logout", "/lessons/123/mark-complete"]:
            self.assertEqual(browser.get(path).status, 405, path)


class ViewsSuite:
    """The view counter, behind HTTPS."""

    def test_every_page_has_a_count_of_its_own(self):
        browser = Browser(self.port)
        for path, count in [("/foo", 1), ("/foo", 2), ("/bar", 1), ("/foo", 3), ("/bar", 2)]:
            self.assertEqual(browser.get(path).body, f"you viewed this page {count} times")

    def test_every_browser_has_counts_of_its_own(self):
        first, second = Browser(self.port), Browser(self.port)
        first.get("/foo")
        first.get("/foo")
        self.assertEqual(second.get("/foo").body, "you viewed this page 1 times")
        self.assertNotEqual(first.jar, second.jar)

    def test_views_at_the_same_time_all_count(self):
        browser = Browser(self.port)
        browser.get("/foo")
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: browser.get("/foo"), range(20)))
        self.assertEqual(browser.get("/foo").body, "you viewed this page 22 times")

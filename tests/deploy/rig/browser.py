"""A browser with a cookie jar, as the platform's front end passes its requests on."""

import http.client
from dataclasses import dataclass
from http.cookies import SimpleCookie

ANSWER_LIMIT_S = 30


@dataclass
class Answer:
    """A status, headers by lower-case name, and the body."""

    status: int
    headers: dict
    cookies: dict
    body: str


class Browser:
    """Requests to one port, by HTTPS as far as the app can tell."""

    def __init__(self, port):
        self.port = port
        self.jar = {}

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def post(self, path, form="", **headers):
        return self.ask("POST", path, form, {"content-type": "application/x-www-form-urlencoded", **headers})

    def ask(self, method, path, body="", headers=None):
        """One request; the cookies that its answer sets go into the jar."""
        sent = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.7", **(headers or {})}
        if self.jar:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_LIMIT_S)
        try:
            connection.request(method, path, body=body or None, headers=sent)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        cookies = {}
        for line in response.headers.get_all("set-cookie") or []:
            for name, cookie in SimpleCookie(line).items():
                cookies[name] = cookie
        self.take(cookies)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, headers, cookies, text)

    def take(self, cookies):
        """Keeps, replaces and forgets cookies as a browser does."""
        for name, cookie in cookies.items():
            if cookie["max-age"] == "0":
                self.jar.pop(name, None)
            else:
                self.jar[name] = cookie.value

    def log_in(self, user):
        answer = self.get(f"/login?userId={user}")
        assert answer.status == 303, answer
        return self

    def mark(self, lesson):
        return self.post(f"/lessons/{lesson}/mark-complete")

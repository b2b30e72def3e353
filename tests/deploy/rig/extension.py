"""AWS's parameters-and-secrets extension, played on loopback."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = "the-sandboxes-own-token"


class Extension:
    """Answers as the extension does: `value` is the parameter's, or `refusal` a status with its
    body; each answer comes after `delay_s`. Use it in a `with`."""

    NAME = "/tuckbox/redis-url"

    def __init__(self, value=None, refusal=None, delay_s=0):
        self.value, self.refusal, self.delay_s = value, refusal, delay_s
        self.asked = []
        extension = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                extension.answer(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def env(self):
        """What Lambda and the template tell the function."""
        return {
            "REDIS_URL_SSM_PARAMETER": self.NAME,
            "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": str(self.port),
            "AWS_SESSION_TOKEN": TOKEN,
        }

    def answer(self, request):
        self.asked.append(request.path)
        time.sleep(self.delay_s)
        status, body = self._answer(request)
        try:
            request.send_response(status)
            request.send_header("content-type", "application/json")
            request.send_header("content-length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)
        except ConnectionError:
            # The function waits no longer.
            pass

    def _answer(self, request):
        url = urlsplit(request.path)
        query = parse_qs(url.query)
        if request.headers.get("x-aws-parameters-secrets-token") != TOKEN:
            return 401, b"authentication failed"
        if url.path != "/systemsmanager/parameters/get" or "%2F" not in url.query:
            return 400, b"bad request"
        if self.refusal:
            return self.refusal[0], self.refusal[1].encode()
        if query.get("name") != [self.NAME] or query.get("withDecryption") != ["true"]:
            return 400, b"an error occurred (ParameterNotFound)"
        parameter = {"Name": self.NAME, "Type": "SecureString", "Value": self.value, "Version": 1}
        return 200, json.dumps({"Parameter": parameter, "ResultMetadata": {}}).encode()

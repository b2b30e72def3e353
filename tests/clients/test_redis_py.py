"""redis-py against `tuckbox serve`, in both protocols."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import redis

PROGRAM = os.environ.get("TUCKBOX") or Path(__file__).resolve().parents[2] / "target/release/tuckbox"


class RedisPy(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        argv = [PROGRAM, "serve", "--dir", directory.name, "--listen", "127.0.0.1:0"]
        env = {**os.environ, "TUCKBOX_PASSWORD": "hunter2"}
        server = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        self.port = int(re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", server.stdout.readline())[1])

    def client(self, protocol):
        client = redis.Redis(port=self.port, password="hunter2", db=4, protocol=protocol, client_name="py")
        self.addCleanup(client.close)
        return client

    def test_data_is_kept_in_both_protocols(self):
        for protocol in (2, 3):
            with self.subTest(protocol=protocol):
                client = self.client(protocol)
                client.flushdb()
                self.assertTrue(client.set("greeting", "grüße", ex=100))
                self.assertEqual(client.get("greeting").decode(), "grüße")
                client.hset("user:1", mapping={"name": "Ada", "born": 1815})
                self.assertEqual(client.hgetall("user:1"), {b"name": b"Ada", b"born": b"1815"})
                with client.pipeline(transaction=False) as pipeline:
                    for _ in range(500):
                        pipeline.incr("counter")
                    self.assertEqual(pipeline.execute()[-1], 500)
                self.assertEqual(set(client.scan_iter(count=2)), {b"greeting", b"user:1", b"counter"})
                with self.assertRaisesRegex(redis.ResponseError, "not an integer"):
                    client.incr("greeting")
                self.assertEqual(client.register_script("return KEYS[1]")(keys=["k"]), b"k")

    def test_a_transaction_sees_what_others_changed(self):
        client = self.client(3)

        def raise_it(pipeline):
            before = int(pipeline.get("n") or 0)
            if before == 0:
                client.set("n", 10)
            pipeline.multi()
            pipeline.set("n", before + 1)

        client.transaction(raise_it, "n")
        self.assertEqual(client.get("n"), b"11")

    def test_the_server_tells_of_itself(self):
        client = self.client(2)
        client.set("a", 1)
        info = client.info()
        self.assertEqual((info["redis_mode"], info["db4"]["keys"]), ("standalone", 1))
        self.assertEqual([each["name"] for each in client.client_list()], ["py"])
        self.assertEqual(client.config_get("databases"), {"databases": "16"})
        self.assertIn("get", client.command())
        self.assertEqual(client.slowlog_get(), [])
        self.assertTrue(client.save())
        self.assertEqual(client.role()[0], b"master")


if __name__ == "__main__":
    unittest.main()

"""`check-url`: what would become of a job that is not made."""
import json

import penstock_test

CONFIG = """
[policy]
allow = 127.0.0.0/8
deny = 127.0.0.9 *.never.example
[fetch]
host_connections = 5
[defaults]
max_body = 7M
[host "localhost"]
connections = 2
bytes_per_second = 1M
credential = c
[host "*"]
user_agent = all/1
[credential "c"]
type = bearer
hosts = localhost
secret_file = /nowhere/hidden
[parser "csv"]
type = csv
max_attempts = 2
"""


class CheckUrl(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.penstock = self.daemon({"policy.allow": "127.0.0.0/8"}, config=self.wrote("c.conf", CONFIG))

    def check(self, *arguments, status=0):
        done = self.penstock.ctl("check-url", *arguments, "--json", check=status)
        return json.loads(done.stdout)

    def test_terms_and_where_they_are_from(self):
        view = self.check("http://localhost:81/x?token=hidden", "--parser", "csv", "--stall-timeout", "5s", "--ip", "4")
        self.assertEqual((view["url"], view["port"], view["parser"]), ("http://localhost:81/x?token=***", 81, "csv"))
        self.assertEqual(view["host"], {"name": "localhost", "sections": ["localhost", "*"], "connections": 2,
                                        "bytes_per_second": 1 << 20})
        self.assertEqual(view["credential"], {"name": "c"})
        self.assertEqual(view["addresses"], [{"allowed": True, "address": "127.0.0.1"}])
        for name, value, source in (("stall_timeout", "5s", "job"), ("max_attempts", "2", 'parser "csv"'),
                                    ("user_agent", "all/1", 'host "*"'), ("credential", "c", 'host "localhost"'),
                                    ("max_body", "7M", "defaults"), ("timeout", "1d", "defaults")):
            self.assertEqual(view["terms"][name], {"value": value, "from": source})
        self.assertEqual(self.penstock.call("list")["jobs"], [])

    def test_what_the_policy_refuses(self):
        for url, where in (("http://127.0.0.9/", "policy"), ("http://10.1.2.3/", "policy"), ("http://a.never.example/", "policy")):
            with self.subTest(url=url):
                view = self.check(url, status=1)
                self.assertFalse(view[where]["allowed"])
                self.assertIn("policy", view[where]["message"])
        with self.penstock.rpc() as rpc:
            view = rpc.call("check_url", {"job": {"url": "http://localhost/"}, "addresses": ["127.0.0.1", "127.0.0.9", "::1"]})
        self.assertEqual([a["allowed"] for a in view["addresses"]], [True, False, False])
        self.assertIn("allow = ", view["addresses"][2]["message"])

    def test_a_credential_that_must_not_go_there(self):
        view = self.check("http://127.0.0.1/", "--credential", "c", status=1)
        self.assertIn("127.0.0.1", view["credential"]["message"])

    def test_in_words(self):
        text = self.penstock.ctl("check-url", "http://localhost/x", "--priority", "3", check=0).stdout
        for line in (r"policy +http://localhost/x +allowed", r"host +localhost +section", r"connections +2 +of the host",
                     r"credential +c +is sent", r"priority +3 +job", r"max_body +7M +defaults"):
            self.assertRegex(text, line)
        self.assertNotIn("hidden", text)
        text = self.penstock.ctl("check-url", "http://nowhere.invalid/", check=1).stdout
        self.assertRegex(text, "address +none +")

    def test_mistakes(self):
        for arguments, status, words in ((["ftp://x/"], 2, "http"), ([], 2, "check-url URL"),
                                         (["http://x/", "--parser", "cvs"], 2, "did you mean csv?")):
            with self.subTest(arguments=arguments):
                done = self.penstock.ctl("check-url", *arguments)
                self.assertEqual(done.returncode, status, done)
                self.assertIn(words, done.stderr)
        with self.penstock.rpc() as rpc:
            for params in ({}, {"job": 1}, {"job": {"url": "http://x/"}, "addresses": ["x"]},
                           {"job": {"url": "http://x/"}, "addresses": 65 * ["::1"]}, {"job": {"url": "http://x/"}, "y": 1}):
                self.assertEqual(rpc.fail("check_url", params)["code"], -32602)


if __name__ == "__main__":
    penstock_test.main()

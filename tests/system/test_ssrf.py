"""Addresses that a daemon must not be talked into connecting to, in every spelling, at every hop, and by every answer of a
resolver: each ends as `failed`, `policy`, and says the very line of the config that would permit it."""
import os
import re
import select
import socket
import unittest
import urllib.parse

import penstock_test
from recorder import Recorder

# What stands in the URL, and what the message says to allow.
LOOPBACK = "127.0.0.1/32"
TABLE = [
    # one address, written in many ways
    ("127.0.0.1", LOOPBACK), ("127.1", LOOPBACK), ("127.0.1", LOOPBACK), ("2130706433", LOOPBACK), ("0x7f000001", LOOPBACK),
    ("0x7F000001", LOOPBACK), ("0x7f.0.0.1", LOOPBACK), ("0x7f.1", LOOPBACK), ("0x7f.0x0.0x0.0x1", LOOPBACK),
    ("017700000001", LOOPBACK), ("0177.0.0.1", LOOPBACK), ("0177.0.0.01", LOOPBACK), ("0177.1", LOOPBACK),
    ("0177.0x0.0.01", LOOPBACK), ("127.0x1", LOOPBACK), ("127.0.0x1", LOOPBACK), ("0x7f.01", LOOPBACK),
    ("00000177.0.0.1", LOOPBACK), ("127.0.0.1.", LOOPBACK), ("127%2e0%2e0%2e1", LOOPBACK), ("%31%32%37.0.0.1", LOOPBACK),
    ("[::ffff:127.0.0.1]", LOOPBACK), ("[::ffff:7f00:1]", LOOPBACK), ("[0:0:0:0:0:ffff:127.0.0.1]", LOOPBACK),
    ("[::FFFF:7F00:0001]", LOOPBACK), ("[0000:0000:0000:0000:0000:ffff:7f00:0001]", LOOPBACK), ("[::127.0.0.1]", LOOPBACK),
    ("[::7f00:1]", LOOPBACK), ("[64:ff9b::127.0.0.1]", LOOPBACK), ("[64:ff9b::7f00:1]", LOOPBACK),
    ("[2002:7f00:1::]", LOOPBACK), ("[2002:7f00:0001::1]", LOOPBACK),
    # by name
    ("localhost", LOOPBACK), ("LOCALHOST", LOOPBACK), ("localhost.", LOOPBACK), ("x.y.LOCALHOST.", LOOPBACK),
    ("LocalHost", LOOPBACK), ("x.localhost", LOOPBACK), ("%6cocalhost", LOOPBACK),
    # the rest of loopback
    ("127.0.0.2", "127.0.0.2/32"), ("127.255.255.254", "127.255.255.254/32"), ("[::1]", "::1/128"), ("[0:0:0:0:0:0:0:1]", "::1/128"),
    ("[::0001]", "::1/128"),
    # unspecified, which the kernel takes for loopback
    ("0.0.0.0", "0.0.0.0/32"), ("0", "0.0.0.0/32"), ("0x0", "0.0.0.0/32"), ("00.0", "0.0.0.0/32"), ("[::]", "::/128"),
    ("[::ffff:0.0.0.0]", "0.0.0.0/32"), ("0.1.2.3", "0.1.2.3/32"),
    # private
    ("10.0.0.1", "10.0.0.1/32"), ("10.1", "10.0.0.1/32"), ("167772161", "10.0.0.1/32"), ("0xa000001", "10.0.0.1/32"),
    ("012.0.0.1", "10.0.0.1/32"), ("172.16.0.1", "172.16.0.1/32"), ("172.31.255.255", "172.31.255.255/32"),
    ("192.168.0.1", "192.168.0.1/32"), ("192.168.257", "192.168.1.1/32"), ("0300.0250.0.1", "192.168.0.1/32"),
    ("[::ffff:10.0.0.1]", "10.0.0.1/32"), ("[64:ff9b::c0a8:1]", "192.168.0.1/32"), ("[2002:a00:1::1]", "10.0.0.1/32"),
    ("[fc00::1]", "fc00::1/128"), ("[fd12:3456::1]", "fd12:3456::1/128"), ("[fec0::1]", "fec0::1/128"),
    # metadata services
    ("169.254.169.254", "169.254.169.254/32"), ("2852039166", "169.254.169.254/32"), ("0xa9fea9fe", "169.254.169.254/32"),
    ("0251.0376.0251.0376", "169.254.169.254/32"), ("169.254.43518", "169.254.169.254/32"),
    ("[::ffff:169.254.169.254]", "169.254.169.254/32"), ("[64:ff9b::a9fe:a9fe]", "169.254.169.254/32"),
    ("[2002:a9fe:a9fe::]", "169.254.169.254/32"), ("[fe80::1]", "fe80::1/128"), ("[fd00:ec2::254]", "fd00:ec2::254/128"),
    # the other special blocks
    ("100.64.0.1", "100.64.0.1/32"), ("100.100.100.200", "100.100.100.200/32"), ("192.0.0.192", "192.0.0.192/32"),
    ("192.0.2.1", "192.0.2.1/32"), ("198.18.0.1", "198.18.0.1/32"), ("198.51.100.1", "198.51.100.1/32"),
    ("203.0.113.1", "203.0.113.1/32"), ("192.88.99.1", "192.88.99.1/32"), ("224.0.0.1", "224.0.0.1/32"),
    ("239.255.255.250", "239.255.255.250/32"), ("240.0.0.1", "240.0.0.1/32"), ("255.255.255.255", "255.255.255.255/32"),
    ("4294967295", "255.255.255.255/32"), ("[ff02::1]", "ff02::1/128"), ("[2001:db8::1]", "2001:db8::1/128"),
    ("[100::1]", "100::1/128"), ("[2001::1]", "2001::1/128"), ("[64:ff9b:1::1]", "64:ff9b:1::1/128"), ("[4000::1]", "4000::1/128"),
]

NAMES = """public.test 127.0.0.1
mixed.test 127.0.0.2 127.0.0.1
inside.test 10.0.0.1 169.254.169.254
six.test ::1
mapped.test ::ffff:127.0.0.2
"""


class Trap:
    """Listens on a port of every address; nobody may come."""

    def __init__(self, test):
        self.sockets = []
        first = socket.socket(socket.AF_INET)
        first.bind(("0.0.0.0", 0))
        self.port = first.getsockname()[1]
        self.sockets.append(first)
        try:
            second = socket.socket(socket.AF_INET6)
            second.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            second.bind(("::", self.port))
            self.sockets.append(second)
        except OSError:
            pass  # a machine without IPv6
        for s in self.sockets:
            s.listen()
            test.addCleanup(s.close)

    def caught(self):
        return bool(select.select(self.sockets, [], [], 0)[0])


class Ssrf(penstock_test.Case):
    def assert_refused(self, verdict, allow, what):
        self.assert_verdict(verdict, "failed", "policy")
        self.assertEqual(verdict["attempt"], 1, what)  # never tried again
        self.assertEqual(verdict["bytes"], 0, what)
        message = verdict["error"]["message"]
        self.assertRegex(message, rf"\[policy\] says allow = {re.escape(allow)}( |$)", what)

    def test_spellings(self):
        self.assertGreaterEqual(len(TABLE), 60)
        daemon = self.daemon({"policy.allow": None, "fetch.breaker_failures": "0"})
        trap = Trap(self)
        urls = [f"http://{host}:{trap.port}/" for host, _ in TABLE]
        answers = daemon.call("submit", [{"url": u} for u in urls])
        for url, answer, (_, allow) in zip(urls, answers, TABLE):
            self.assertIn("id", answer, url)
            self.assert_refused(daemon.verdict(answer["id"]), allow, url)
        self.assertFalse(trap.caught())
        self.assertEqual(daemon.call("stats")["fetch"]["connections"], 0)

    def test_the_line_that_it_says_permits_it(self):
        """And nothing beside it."""
        server = Recorder(self)
        daemon = self.daemon({"policy.allow": None})
        for host in ("127.0.0.1", "127.1", "0x7f000001", "[::ffff:127.0.0.1]"):
            message = daemon.job(server.url("/ok", host=host))["error"]["message"]
            allow = re.search(r"allow = (\S+)", message).group(1)
            permitting = self.daemon({"policy.allow": allow})
            self.assert_verdict(permitting.job(server.url("/ok", host=host)), "done")
            self.assert_refused(permitting.job(server.url("/ok", host="127.0.0.2")), "127.0.0.2/32", host)
            permitting.stop()

    def test_redirects(self):
        """Each hop is judged: to every address of the table, over several hops, back and forth."""
        server = Recorder(self)
        daemon = self.daemon({"policy.allow": f"127.0.0.1:{server.port}", "fetch.breaker_failures": "0",
                              "fetch.host_connections": "50"})
        trap = Trap(self)

        def to(url, status=302):
            return server.url(f"/redirect/{status}?to=" + urllib.parse.quote(url, safe=""))

        jobs = []
        for i, (host, allow) in enumerate(TABLE):
            target = f"http://{host}:{trap.port}/"
            chain = to(to(to(target, 301), 307), 308) if i % 4 == 0 else to(target, (301, 302, 303, 307, 308)[i % 5])
            jobs.append((daemon.submit(chain), allow, target))
        for job, allow, target in jobs:
            self.assert_refused(daemon.verdict(job), allow, target)
        self.assertFalse(trap.caught())
        # Other schemes, and user-info.
        for target, kind in (("file:///etc/passwd", "policy"), ("ftp://10.0.0.1/", "policy"), ("gopher://127.0.0.1/", "policy"),
                             ("http://me:pw@127.0.0.1/", "policy")):
            verdict = daemon.job(to(target), max_attempts=1)
            self.assert_verdict(verdict, "failed", kind)
            self.assertNotIn("pw", verdict["error"]["message"])

    @unittest.skipIf(penstock_test.SANITIZED, "the sanitizers' runtime must be loaded first")
    def test_answers_of_the_resolver(self):
        server = Recorder(self)
        hosts = self.wrote("hosts", NAMES)
        env = {**os.environ, "LD_PRELOAD": str(penstock_test.BIN / "test-resolver.so"), "TEST_HOSTS": str(hosts)}
        daemon = self.daemon({"policy.allow": "127.0.0.1", "fetch.retry_delay": "1ms", "fetch.breaker_failures": "0"}, env=env)
        self.assert_verdict(daemon.job(server.url("/ok", host="public.test")), "done")
        # Public and private addresses: the public ones are used.
        self.assert_verdict(daemon.job(server.url("/ok", host="mixed.test")), "done")
        attempt = daemon.events("attempt")[-1]
        self.assertEqual(attempt["address"], "127.0.0.1")
        for name, allow in (("inside.test", "10.0.0.1/32"), ("INSIDE.test.", "10.0.0.1/32"), ("six.test", "::1/128"),
                            ("mapped.test", "127.0.0.2/32")):
            self.assert_refused(daemon.job(server.url("/ok", host=name)), allow, name)

    def resolving(self, text, settings=None, **kwargs):
        """A daemon whose resolver answers by a file, and the file."""
        hosts = self.wrote("hosts", text)
        env = {**os.environ, "LD_PRELOAD": str(penstock_test.BIN / "test-resolver.so"), "TEST_HOSTS": str(hosts)}
        settings = {"policy.allow": "127.0.0.1", "fetch.retry_delay": "1ms", "fetch.breaker_failures": "0", **(settings or {})}
        return self.daemon(settings, env=env, **kwargs), hosts

    @unittest.skipIf(penstock_test.SANITIZED, "the sanitizers' runtime must be loaded first")
    def test_hundreds_of_records(self):
        """All are judged, and none that is refused is tried; one that is permitted is found among them."""
        server, trap = Recorder(self), Trap(self)
        private = " ".join(f"10.{i // 250}.{i % 250}.1 127.0.1.{i % 250 + 2}" for i in range(600))
        six = " ".join(f"fd00::{i:x}" for i in range(1, 300))
        daemon, _ = self.resolving(f"one.test {private} 127.0.0.1 {six}\nnone.test {six} {private}\n")
        self.assert_verdict(daemon.job(server.url("/ok", host="one.test")), "done")
        self.assertEqual(daemon.events("attempt")[-1]["address"], "127.0.0.1")
        verdict = daemon.job(f"http://none.test:{trap.port}/", max_attempts=1)
        self.assert_verdict(verdict, "failed", "policy")
        self.assertFalse(trap.caught())
        self.assertEqual(daemon.call("stats")["fetch"]["connections"], 1)

    @unittest.skipIf(penstock_test.SANITIZED, "the sanitizers' runtime must be loaded first")
    def test_translators(self):
        """What an IPv6 address carries, by the known prefix and by the network's own."""
        daemon, _ = self.resolving("known.test 64:ff9b::10.0.0.1\nown.test 2600:64::10.0.0.1\nliteral.test 2600:64::8.8.8.8\n",
                                   {"policy.nat64": "2600:64::/96"})
        for url in ("http://known.test/", "http://own.test/", "http://[2600:64::a00:1]/", "http://[64:ff9b::a00:1]/"):
            self.assert_refused(daemon.job(url), "10.0.0.1/32", url)
        self.assertEqual(daemon.call("stats")["fetch"]["connections"], 0)

    @unittest.skipIf(penstock_test.SANITIZED, "the sanitizers' runtime must be loaded first")
    def test_no_way_around(self):
        """An origin's word that it is to be had elsewhere (Alt-Svc, RFC 7838) is not followed, at this job or the next; and a
        connection that stands is not used for another name of the same address that is refused."""
        server, trap = Recorder(self), Trap(self)
        server.extra_headers = [("Alt-Svc", f'h1="127.0.0.1:{trap.port}"; ma=3600, http/1.1=":{trap.port}"; persist=1')]
        daemon, _ = self.resolving("a.test 127.0.0.1\nb.test 127.0.0.1\n", {"policy.deny": "b.test"})
        for _ in range(3):
            self.assert_verdict(daemon.job(server.url("/head", host="a.test")), "done")
        self.assertFalse(trap.caught())
        self.assertEqual(daemon.call("stats")["fetch"]["connections"], 1)
        requests = len(server.requests)
        self.assert_verdict(daemon.job(server.url("/head", host="b.test")), "failed", "policy")
        self.assertEqual(len(server.requests), requests)

    @unittest.skipIf(penstock_test.SANITIZED, "the sanitizers' runtime must be loaded first")
    def test_a_connection_that_stands_is_judged_anew(self):
        """It was made when the policy permitted its address. Its name is not looked up any more, so that the address of the
        connection itself is all that can be judged."""
        server = Recorder(self)
        config = self.wrote("penstockd.conf", "[policy]\nallow = 127.0.0.1\n")
        daemon, hosts = self.resolving("a.test 127.0.0.1\n", {"policy.allow": None}, config=config)
        for _ in range(2):
            self.assert_verdict(daemon.job(server.url("/head", host="a.test")), "done")
        self.assertEqual(daemon.call("stats")["fetch"]["connections"], 1)
        requests = len(server.requests)
        hosts.write_text("a.test\n")
        config.write_text("")
        self.assertEqual(daemon.call("reload"), {"reloaded": True, "restart": []})
        self.assert_refused(daemon.job(server.url("/head", host="a.test")), LOOPBACK, "a connection that stands")
        self.assertEqual(len(server.requests), requests)

    @unittest.skipIf(penstock_test.SANITIZED, "the sanitizers' runtime must be loaded first")
    def test_rebinding_between_attempts(self):
        """A name that means something else at the next attempt is judged by what it means then."""
        trap = Trap(self)
        hosts = self.wrote("hosts", "rebind.test\n")
        env = {**os.environ, "LD_PRELOAD": str(penstock_test.BIN / "test-resolver.so"), "TEST_HOSTS": str(hosts)}
        daemon = self.daemon({"policy.allow": "127.0.0.1", "fetch.retry_delay": "1ms", "fetch.breaker_failures": "0"}, env=env)
        job = daemon.submit(f"http://rebind.test:{trap.port}/", max_attempts=1000)
        penstock_test.until(lambda: daemon.events("attempt", job), "an attempt that found no address")
        self.assertEqual(daemon.events("attempt", job)[0]["error"]["kind"], "dns")
        hosts.write_text("rebind.test 127.0.0.2 10.0.0.1\n")
        verdict = daemon.verdict(job)
        self.assert_verdict(verdict, "failed", "policy")
        self.assertIn("allow = 127.0.0.2/32", verdict["error"]["message"])
        self.assertFalse(trap.caught())
        # Between the hops of one attempt: what it meant when the connection was judged is what counts.
        server = Recorder(self)
        hosts.write_text("hop.test 127.0.0.1\n")
        self.assert_verdict(daemon.job(server.url("/ok", host="hop.test")), "done")
        hosts.write_text("hop.test 127.0.0.2\nother.test 127.0.0.2\n")
        target = urllib.parse.quote(f"http://other.test:{trap.port}/", safe="")
        verdict = daemon.job(server.url(f"/redirect/302?to={target}", host="hop.test"))
        self.assert_verdict(verdict, "failed", "policy")
        self.assertFalse(trap.caught())


if __name__ == "__main__":
    penstock_test.main()

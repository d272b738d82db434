"""Resolvers that lie, hang and answer too late: nothing waits for them but the job that asked, nothing piles up, and what
is connected to was judged."""
import contextlib
import os
import socket
import struct
import sys
import threading
import unittest

import penstock_test
from penstock_test import fds_of, threads_of, until
from recorder import Recorder


@unittest.skipIf(penstock_test.SANITIZED, "the sanitizers' runtime must be loaded first")
class Resolver(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.hosts = self.dir / "hosts"
        self.gate = self.dir / "gate"
        os.mkfifo(self.gate)

    def resolving(self, text, settings=None, **kwargs):
        """A daemon whose resolver answers by a file."""
        self.hosts.write_text(text)
        env = {**os.environ, "LD_PRELOAD": str(penstock_test.BIN / "test-resolver.so"), "TEST_HOSTS": str(self.hosts)}
        return self.daemon({"policy.allow": "127.0.0.1", "fetch.retry_delay": "1ms", **(settings or {})}, env=env, **kwargs)

    def open_gate(self):
        os.close(os.open(self.gate, os.O_RDWR))

    def test_answers_that_change(self):
        """What was judged is what is connected to, whatever the next look-up says."""
        server = Recorder(self)
        trap = socket.create_server(("127.0.0.2", server.port))
        self.addCleanup(trap.close)
        server.closes = True
        names = [f"turn{i}.test" for i in range(50)]  # each is looked up anew
        answers = "127.0.0.1 | 127.0.0.2 | 127.0.0.2 127.0.0.1 10.0.0.1 | ::1 10.0.0.1 | 127.0.0.2"
        daemon = self.resolving("".join(f"{n} {answers}\n" for n in names), {"fetch.breaker_failures": "0"})
        for _ in range(2):
            ids = [daemon.submit(server.url("/ok", host=n), max_attempts=1) for n in names]
            ends = [(v["state"], v.get("error", {}).get("kind")) for v in map(daemon.verdict, ids)]
            self.assertEqual(set(ends), {("done", None), ("failed", "policy")})
        trap.setblocking(False)
        self.assertRaises(BlockingIOError, trap.accept)

    def test_never_answers(self):
        """Look-ups that were left pile up to a limit; what needs none goes on, and when the resolver is back all is well."""
        server = Recorder(self)
        daemon = self.resolving(f"hang.test @{self.gate} 127.0.0.1\n",
                                {"defaults.connect_timeout": "100ms", "fetch.breaker_failures": "0",
                                 "fetch.host_connections": "64", "parse.workers": "32"})
        threads, fds = threads_of(daemon.pid), fds_of(daemon.pid)
        job = {"url": server.url("/ok", host="hang.test"), "max_attempts": 10}
        ids = [answer["id"] for answer in daemon.call("submit", [job] * 200)]
        for job in ids[:-1]:
            self.assert_verdict(daemon.verdict(job), "failed", daemon.verdict(job)["error"]["kind"])
        verdict = daemon.verdict(ids[-1])
        self.assert_verdict(verdict, "failed", "resources")
        self.assertIn("hang.test was not looked up: the resolver does not answer", verdict["error"]["message"])
        self.assertGreater(threads_of(daemon.pid), 500)
        self.assertLess(threads_of(daemon.pid), threads + 512 + 3 * 32)
        self.assertLess(fds_of(daemon.pid), fds + 2 * 512 + 10 * 32)
        self.assert_verdict(daemon.job(server.url("/ok")), "done")
        self.open_gate()
        until(lambda: threads_of(daemon.pid) < threads + 100, "the threads that were left are gone")
        self.hosts.write_text("hang.test 127.0.0.1\n")
        self.assert_verdict(daemon.job(server.url("/ok", host="hang.test"), max_attempts=20), "done")

    def test_cancelled_and_stopped_meanwhile(self):
        """Nobody waits for an answer to what is not wanted any more."""
        daemon = self.resolving(f"hang.test @{self.gate}\n", {"daemon.drain": "100ms", "fetch.host_connections": "64"})
        ids = [answer["id"] for answer in daemon.call("submit", [{"url": "http://hang.test/"}] * 40)]
        until(lambda: all(daemon.state(job) == "running" for job in ids), "they run")
        daemon.call("cancel", {"ids": ids[:20]})
        for job in ids[:20]:
            self.assert_verdict(daemon.verdict(job), "cancelled")
        daemon.stop()  # the gate stays shut
        for job in ids[20:]:
            self.assert_verdict(daemon.verdict(job), "cancelled")

    def test_too_late(self):
        """An answer that comes when the job's try is over does nothing to the next one."""
        server = Recorder(self)
        daemon = self.resolving(f"late.test @{self.gate} 127.0.0.1\n", {"defaults.connect_timeout": "100ms", "fetch.retry_delay": "50ms",
                                 "fetch.breaker_failures": "0"})
        job = daemon.submit(server.url("/ok", host="late.test"), max_attempts=1000)
        until(lambda: len(daemon.events("attempt", job)) >= 2, "two tries were in vain")
        self.hosts.write_text("late.test 127.0.0.1\n")
        self.open_gate()
        self.assert_verdict(daemon.verdict(job), "done")
        self.assertEqual({a["error"]["kind"] for a in daemon.events("attempt", job)[:-1]}, {"connect_timeout"})

    def test_hundreds_of_dead_addresses(self):
        """They have one time for all of them; among those that say no, one that says yes is found."""
        deaf = socket.create_server(("0.0.0.0", 0), backlog=0)
        self.addCleanup(deaf.close)
        port = deaf.getsockname()[1]
        for _ in range(4):  # its queue is full
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            self.addCleanup(filler.close)
        dead = " ".join(f"127.0.{i // 250 + 1}.{i % 250 + 1}" for i in range(400))
        server = Recorder(self)
        daemon = self.resolving(f"dead.test {dead}\nlast.test {dead} 127.0.0.1\n",
                                {"policy.allow": "127.0.0.0/8", "defaults.connect_timeout": "1s"})
        job = daemon.submit(f"http://dead.test:{port}/", max_attempts=1)
        self.assert_verdict(daemon.job(server.url("/ok", host="last.test"), max_attempts=1, connect_timeout="20s"), "done")
        verdict = daemon.verdict(job)
        self.assert_verdict(verdict, "failed", "connect_timeout")
        self.assertLess(verdict["seconds"]["total"], 60)  # 400 if each had a second of its own


# --- a name server of our own ------------------------------------------------------------------------


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def record(owner, kind, data, ttl=60, length=None):
    return name(owner) + struct.pack("!HHIH", kind, 1, ttl, len(data) if length is None else length) + data


def a(owner, address, **how):
    return record(owner, 1, socket.inet_aton(address), **how)


def cname(owner, to):
    return record(owner, 5, name(to))


class NameServer:
    """On port 53 of 127.0.0.1, by UDP and TCP. Answers are by the question's name: see `answer`."""

    def __init__(self):
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 53))
        self.tcp = socket.create_server(("127.0.0.1", 53))
        for run in (self.run_udp, self.run_tcp):
            threading.Thread(target=run, daemon=True).start()

    def run_udp(self):
        while True:
            data, client = self.udp.recvfrom(4096)
            for reply in self.answer(data, False):
                self.udp.sendto(reply, client)

    def run_tcp(self):
        while True:
            connection, _ = self.tcp.accept()
            with connection, contextlib.suppress(OSError, struct.error):
                while True:
                    size, = struct.unpack("!H", connection.recv(2))
                    for reply in self.answer(connection.recv(size), True):
                        connection.sendall(struct.pack("!H", len(reply)) + reply)

    @staticmethod
    def answer(query, tcp):
        end = query.index(b"\0", 12) + 5
        question, labels, at = query[12:end], [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        asked, kind = ".".join(labels), struct.unpack("!H", query[end - 4:end - 2])[0]

        def reply(*records, flags=0x8180, number=query[:2], count=None, question=question):
            count = len(records) if count is None else count
            return number + struct.pack("!HHHHH", flags, 1, count, 0, 0) + question + b"".join(records)
        if asked == "chain.test":
            links = [cname(f"c{i}.test" if i else asked, f"c{i + 1}.test") for i in range(40)]
            return [reply(*links, *([a("c40.test", "127.0.0.1")] if kind == 1 else []))]
        if asked == "inside.test":
            return [reply(cname(asked, "metadata.test"), *([a("metadata.test", "169.254.169.254")] if kind == 1 else []))]
        if asked in ("loop.test", "pool.test"):
            return [reply(cname("loop.test", "pool.test"), cname("pool.test", "loop.test"))]
        if asked == "many.test":  # by TCP, as it does not fit
            all_of_them = [a(asked, f"10.0.{i // 250}.{i % 250}") for i in range(1500)] + [a(asked, "127.0.0.1")]
            return [reply(*(all_of_them if kind == 1 else []))] if tcp else [reply(flags=0x8380)]
        if asked == "other.test":  # an answer to another question, then one with another's number, then the right one
            wrong = bytes([query[0] ^ 1, query[1]])
            return [reply(a("evil.test", "10.0.0.1"), question=name("evil.test") + question[-4:]),
                    reply(a(asked, "10.0.0.1"), number=wrong), reply(*([a(asked, "127.0.0.1")] if kind == 1 else []))]
        return {
            "garbage.test": [bytes(range(200))],
            "short.test": [query[:5]],
            "empty.test": [reply()],
            "none.test": [reply(flags=0x8183)],
            "failing.test": [reply(flags=0x8182)],
            "refusing.test": [reply(flags=0x8185)],
            "few.test": [reply(count=2000)],
            "long.test": [reply(a(asked, "127.0.0.1", length=60000))],
            "odd.test": [reply(record(asked, 1, b"abc"))],
            "turning.test": [reply(  # its owner's name is a pointer to itself
                struct.pack("!H", 0xc000 | (12 + len(question))) + struct.pack("!HHIH", 1, 1, 1, 4) + b"abcd")],
            "silent.test": [],
        }.get(asked, [reply(flags=0x8183)])


class Inside(penstock_test.Case):
    def test_name_server(self):
        NameServer()
        server = Recorder(self)
        daemon = self.daemon({"policy.allow": "127.0.0.1", "defaults.max_attempts": "1", "defaults.connect_timeout": "40s"})
        dns = [f"{n}.test" for n in ("loop", "garbage", "short", "empty", "none", "failing", "refusing", "few", "long", "odd", "turning",
                                     "silent")]
        jobs = {host: daemon.submit(server.url("/ok", host=host)) for host in
                (*dns, "chain.test", "inside.test", "many.test", "other.test")}
        for host, job in jobs.items():
            with self.subTest(host=host):
                verdict = daemon.verdict(job)
                if host in ("chain.test", "many.test", "other.test"):
                    self.assert_verdict(verdict, "done")
                else:
                    self.assert_verdict(verdict, "failed", "policy" if host == "inside.test" else "dns")
        self.assertEqual({r["headers"]["Host"].split(":")[0] for r in server.requests}, {"chain.test", "many.test", "other.test"})

if not os.environ.get("TEST_NAME_SERVER"):
    del Inside  # it is Network's, in a network of its own


class Network(penstock_test.Case):
    SCRIPT = """import fcntl, os, socket, struct, sys
with socket.socket() as s:  # loopback is down at first
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 1))
os.execv(sys.argv[1], sys.argv[1:])
"""

    def test_in_a_network_of_its_own(self):
        """The C library's resolver, asking a name server that means ill."""
        conf = os.path.realpath("/etc/resolv.conf")
        if os.geteuid() != 0 or not os.path.exists(conf) or penstock_test.run("unshare", "-n", "-m", "true").returncode:
            self.skipTest("a network and mounts of its own are root's")
        mine = self.wrote("resolv.conf", "nameserver 127.0.0.1\noptions timeout:4 attempts:1\n")
        done = penstock_test.run("unshare", "-n", "-m", "sh", "-ec", 'mount --bind "$1" "$2"; shift 2; exec "$@"', "sh", mine, conf,
                                 sys.executable, "-c", self.SCRIPT, sys.executable, os.path.abspath(__file__), "Inside",
                                 env={**os.environ, "TEST_NAME_SERVER": "1"}, seconds=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    penstock_test.main()

# label: sanitize
"""Who waits for whom: slots, redirects from host to host, breakers; and ends that wait for the sink."""
import contextlib
import fcntl
import json
import os
import signal
import threading

import penstock_test
from penstock_test import until

HOLD = {"fetch.host_connections": 1, "parse.workers": 4, "policy.allow": "127.0.0.0/8 ::1"}


class Hops(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.server = self.origin()

    def at(self, host, path, then=None):
        url = f"http://{host}:{self.server.port}{path}"
        if then:
            then = then.replace("%", "%25").replace("&", "%26").replace("?", "%3F")
            url += ("&" if "?" in path else "?") + f"redirect={then}"
        return url

    def test_slot_that_a_redirect_leaves(self):
        """It goes to the next job of that host at once, not when the redirected one ends."""
        daemon = self.daemon(HOLD)
        held = daemon.submit(self.at("127.0.0.1", "/text?text=x&hold=head", self.at("localhost", "/lines?n=9&hold=it")))
        until(lambda: self.server.counts("/text").get("requests"), "the slot is taken")
        waits = daemon.submit(self.at("127.0.0.1", "/bytes?n=3"))
        self.server.release("head")
        self.assert_verdict(daemon.verdict(waits), "done")
        self.assertEqual(daemon.state(held), "running")
        self.server.release("it")
        self.assert_verdict(daemon.verdict(held), "done")

    def test_slot_for_one_that_was_redirected(self):
        """Whoever waits for a slot of the other host has it as soon as one is free, before those that have not begun."""
        daemon = self.daemon(HOLD)
        first = daemon.submit(self.at("localhost", "/lines?n=9&hold=it"))
        until(lambda: self.server.counts("/lines").get("requests"), "the slot is taken")
        queued = daemon.submit(self.at("localhost", "/bytes?n=4"))
        hops = daemon.submit(self.at("127.0.0.1", "/text?text=x", self.at("localhost", "/bytes?n=3&hold=hop")))
        until(lambda: daemon.state(hops) == "running" and daemon.call("show", {"id": hops})["waiting_for"] == "host",
              "it waits for the other host")
        self.server.release("it")
        self.assert_verdict(daemon.verdict(first), "done")
        until(lambda: daemon.call("show", {"id": hops})["waiting_for"] == "origin", "it goes on")
        self.assertEqual(daemon.state(queued), "queued")
        self.server.release("hop")
        self.assert_verdict(daemon.verdict(hops), "done")
        self.assert_verdict(daemon.verdict(queued), "done")

    def test_slot_for_one_that_was_redirected_in_a_drain(self):
        """Nothing starts any more, but what runs and waits for a slot goes on."""
        daemon = self.daemon({**HOLD, "daemon.drain": "1h"})
        first = daemon.submit(self.at("localhost", "/lines?n=9&hold=it"))
        until(lambda: self.server.counts("/lines").get("requests"), "the slot is taken")
        hops = daemon.submit(self.at("127.0.0.1", "/text?text=x", self.at("localhost", "/bytes?n=3")))
        until(lambda: daemon.state(hops) == "running" and daemon.call("show", {"id": hops})["waiting_for"] == "host",
              "it waits for the other host")
        daemon.process.send_signal(signal.SIGTERM)
        until(lambda: daemon.call("stats")["draining"], "it drains")
        self.server.release("it")
        self.assertEqual(daemon.exit_status(), 0)
        self.assertEqual([daemon.verdict(job)["state"] for job in (first, hops)], ["done", "done"])

    def test_who_waits_for_a_rate(self):
        """Of bytes or of requests, it is the host that a job waits for."""
        config = self.wrote("rates.conf", '[host "localhost"]\nbytes_per_second = 1K\n'
                            '[host "127.0.0.1"]\nrequests_per_second = 0.01\n')
        daemon = self.daemon({"policy.allow": "127.0.0.0/8 ::1"}, config=config)
        slow = daemon.submit(self.at("localhost", "/bytes?n=1M"))
        until(lambda: daemon.call("show", {"id": slow}).get("waiting_for") == "host", "it waits for its host's bytes")
        daemon.job(self.at("127.0.0.1", "/bytes?n=1"))
        second = daemon.submit(self.at("127.0.0.1", "/bytes?n=1"))
        self.assertEqual((daemon.state(second), daemon.call("show", {"id": second})["waiting_for"]), ("queued", "host"))
        daemon.call("cancel", {"ids": [slow, second]})

    def test_hosts_that_nobody_knows(self):
        """May be paused, but not without end; names that were let go leave nothing."""
        daemon = self.daemon(HOLD)
        with daemon.rpc() as rpc:
            for start in range(0, 10000, 1000):
                rpc.send(json.dumps([{"jsonrpc": "2.0", "id": i, "method": "pause", "params": {"host": f"h{i}.example"}}
                                     for i in range(start, start + 1000)]).encode() + b"\n")
                self.assertTrue(all(answer["result"]["paused"] for answer in rpc.receive()))
            refused = rpc.fail("pause", {"host": "one.more"})
            self.assertEqual(refused["data"]["field"], "host")
            self.assertIn("resume", refused["message"])
            rpc.call("pause", {"host": "h7.example"})
            rpc.call("resume", {"host": "h8.example"})
            rpc.call("resume", {"host": "never.paused"})
            rpc.call("pause", {"host": "one.more"})
            self.assertIn("name", rpc.fail("pause", {"host": "x" * 300})["message"])

    def test_breaker_probed_by_a_redirect(self):
        """A host that answers a probe with a redirect to another is well."""
        daemon = self.daemon({**HOLD, "fetch.breaker_failures": 1, "fetch.breaker_cooldown": "10ms"})
        daemon.job(self.at("localhost", "/text?status=500&text=x"), max_attempts=1)
        there = self.at("localhost", "/text?text=x", self.at("a.localhost", "/lines?n=1"))
        self.assert_verdict(daemon.job(self.at("127.0.0.1", "/text?text=x", there)), "done")
        self.assert_verdict(daemon.job(self.at("localhost", "/lines?n=2")), "done")

    def test_cancel_of_the_slot_and_of_who_waits_for_it(self):
        """Cancelled together, in either order: the slot must not go to a job that is ending."""
        daemon = self.daemon({**HOLD, "daemon.log_level": "error"})
        for turn in range(40):
            first = daemon.submit(self.at("localhost", f"/lines?n=9&hold=never&id=f{turn}"))
            until(lambda: self.server.counts(f"f{turn}").get("requests"), "the slot is taken")
            second = daemon.submit(self.at("127.0.0.1", f"/text?text=x&id=s{turn}", self.at("localhost", "/lines?n=1")))
            until(lambda: self.server.counts(f"s{turn}").get("requests"), "the redirect is under way")
            daemon.call("cancel", {"ids": [first, second] if turn % 2 else [second, first]})
            daemon.verdict(first)
            daemon.verdict(second)
            self.assertEqual(len(daemon.events("verdict", second)), 1)
        self.assert_verdict(daemon.job(self.at("localhost", "/lines?n=1")), "done")


class Blocked(penstock_test.Case):
    """Standard output is a pipe that is full: what ends cannot leave."""

    def setUp(self):
        super().setUp()
        self.server = self.origin()
        self.out, write = os.pipe()
        self.addCleanup(os.close, self.out)
        with contextlib.suppress(BlockingIOError):
            os.set_blocking(write, False)
            while True:
                os.write(write, b"x" * 4096)
        os.set_blocking(write, True)
        fcntl.fcntl(self.out, fcntl.F_SETPIPE_SZ, 65536)
        self.held = self.daemon({"fetch.retry_delay": "10min", "fetch.retry_delay_max": "10min", "daemon.drain": "2s"},
                                stdout=write)
        os.close(write)

    def unblock(self):
        """Reads until the daemon has ended; its lines."""
        data = b""
        while piece := os.read(self.out, 65536):
            data += piece
        return [json.loads(line) for line in data.lstrip(b"x").splitlines()]

    def failed_once(self):
        """A job whose first attempt has failed, but whose line about that is not written."""
        job = self.held.submit(self.server.url("/text?status=500&text=x"), max_attempts=3)
        until(lambda: self.held.call("stats")["retries"] == 1, "its first attempt has failed")
        return job

    def ends(self, job):
        self.held.signal(signal.SIGTERM)
        until(lambda: self.held.call("stats")["draining"], "it drains")
        verdicts = [e for e in self.unblock() if e["event"] == "verdict" and e["job"] == job]
        self.assertEqual([v["state"] for v in verdicts], ["cancelled"], verdicts)
        self.held.stop()

    def test_cancel_between_two_attempts(self):
        job = self.failed_once()
        self.assertEqual(self.held.call("cancel", {"id": job})["cancelled"], [job])
        self.ends(job)

    def test_drain_between_two_attempts(self):
        """The store is memory: what waits when the daemon ends is cancelled, and is told so."""
        self.ends(self.failed_once())

    def test_many_bulk_calls(self):
        """More calls wait for room than jobs are ending: each goes on all the same."""
        daemon = self.held
        daemon.call("pause")
        url = self.server.url("/lines?n=1")
        jobs = [answer["id"] for answer in daemon.call("submit", [{"url": url}] * 700)]
        daemon.call("cancel", {"ids": jobs})
        with daemon.rpc() as rpc:
            asked = [rpc.request("cancel", {"state": "queued"}) for _ in range(600)]
            daemon.call("ping")
            daemon.signal(signal.SIGTERM)
            reader = threading.Thread(target=self.unblock)
            reader.start()
            answers = [rpc.receive() for _ in asked]
            reader.join(penstock_test.DEADLINE)
        self.assertTrue(all(a and "result" in a for a in answers))
        daemon.stop()


if __name__ == "__main__":
    penstock_test.main()

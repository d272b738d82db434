# label: sanitize
"""The control socket: the conversation, its bounds, and what each method does to jobs."""
import json
import pathlib
import re
import socket
import threading

import penstock_test
from penstock_test import until

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
NOT_FOUND, CONFLICT, QUEUE_FULL = -32001, -32002, -32004


class Conversation(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.penstock = self.daemon()

    def test_errors(self):
        with self.penstock.rpc() as rpc:
            for text, code in (
                    ("{", PARSE_ERROR), ("nonsense", PARSE_ERROR), ('"text"', INVALID_REQUEST), ("17", INVALID_REQUEST),
                    ("[]", INVALID_REQUEST), ("{}", INVALID_REQUEST), ('{"jsonrpc":"2.0","id":1}', INVALID_REQUEST),
                    ('{"jsonrpc":"1.0","id":1,"method":"ping"}', INVALID_REQUEST),
                    ('{"jsonrpc":"2.0","id":{},"method":"ping"}', INVALID_REQUEST),
                    ('{"jsonrpc":"2.0","id":1,"method":"no_such"}', NO_METHOD),
                    ('{"jsonrpc":"2.0","id":1,"method":"show","params":"x"}', (INVALID_REQUEST, INVALID_PARAMS)),
                    ('{"jsonrpc":"2.0","id":1,"method":"show","params":{"id":"x"}}', INVALID_PARAMS),
                    ('{"jsonrpc":"2.0","id":1,"method":"show","params":{"id":99}}', NOT_FOUND),
                    ('{"jsonrpc":"2.0","id":1,"method":"submit","params":{}}', INVALID_PARAMS),
            ):
                with self.subTest(text=text):
                    rpc.send(text)
                    answer = rpc.receive()
                    self.assertIn(answer["error"]["code"], code if isinstance(code, tuple) else (code,), answer)
                    self.assertTrue(answer["error"]["message"])
            rpc.call("ping")

    def test_line_too_long(self):
        with self.penstock.rpc() as rpc:
            rpc.send(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"' + b"x" * (3 << 20) + b'"}}\n')
            self.assertIn("error", rpc.receive())
            rpc.call("ping")

    def test_not_utf8(self):
        with self.penstock.rpc() as rpc:
            rpc.send(b'{"jsonrpc":"2.0","id":1,"method":"\xff\xfe"}\n')
            self.assertIn("error", rpc.receive())
            rpc.call("ping")

    def test_pipelined_in_order(self):
        with self.penstock.rpc() as rpc:
            ids = list(range(1, 2001))
            data = b"".join(b'{"jsonrpc":"2.0","id":%d,"method":"ping"}\n' % i for i in ids)
            sender = threading.Thread(target=rpc.send, args=(data,))
            sender.start()
            self.assertEqual([rpc.receive()["id"] for _ in ids], ids)
            sender.join()

    def test_batch(self):
        with self.penstock.rpc() as rpc:
            rpc.send([{"jsonrpc": "2.0", "id": i, "method": "ping"} for i in range(1000)])
            answers = rpc.receive()
            self.assertEqual([a["id"] for a in answers], list(range(1000)))
            rpc.send([{"jsonrpc": "2.0", "id": i, "method": "ping"} for i in range(1001)])
            self.assertIn("error", rpc.receive())
            rpc.send([{"jsonrpc": "2.0", "method": "ping"}, {"jsonrpc": "2.0", "id": 7, "method": "ping"}])
            self.assertEqual([a["id"] for a in rpc.receive()], [7])

    def test_a_byte_at_a_time(self):
        with self.penstock.rpc() as rpc:
            for byte in b'{"jsonrpc":"2.0","id":5,"method":"ping"}\r\n':
                rpc.send(bytes([byte]))
            self.assertEqual(rpc.receive()["id"], 5)

    def test_half_closed(self):
        """A client that sends no more still gets its answers, also to a last line without newline."""
        with self.penstock.rpc() as rpc:
            rpc.send(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n{"jsonrpc":"2.0","id":2,"method":"ping"}')
            rpc.socket.shutdown(socket.SHUT_WR)
            self.assertEqual([rpc.receive()["id"], rpc.receive()["id"], rpc.receive()], [1, 2, None])

    def test_gone_in_the_middle(self):
        for data in (b"{", b'{"jsonrpc":"2.0","id":1,"method":"stats"}\n', b'{"jsonrpc":"2.0","id":1,"method":"wait","params":'):
            for _ in range(20):
                rpc = self.penstock.rpc()
                rpc.send(data)
                rpc.close()
        self.penstock.call("ping")

    def test_a_client_that_reads_nothing(self):
        """Its requests stop being read; others are served; memory does not grow."""
        with self.penstock.rpc() as lazy:
            lazy.socket.setblocking(False)
            request = b'{"jsonrpc":"2.0","id":1,"method":"stats"}\n' * 1000
            sent = stuck = 0
            while stuck < 200 and sent < 100 << 20:
                try:
                    sent += lazy.socket.send(request)
                    stuck = 0
                except BlockingIOError:
                    stuck += 1
                    self.penstock.call("ping")
            self.assertLess(sent, 100 << 20)
            if not penstock_test.SANITIZED:
                self.assertLess(penstock_test.memory_of(self.penstock.pid), 40 << 20)

    def test_notifications_behind_a_wait(self):
        """What waits for its turn is bounded also where it will not be answered: the client is not read any more."""
        daemon = self.daemon()
        job = daemon.submit(self.origin().url("/silence"))
        ping = b'{"jsonrpc":"2.0","method":"ping"}\n' * 1000
        with daemon.rpc() as rpc:
            rpc.request("wait", {"ids": [job]})
            rpc.socket.settimeout(1)
            with self.assertRaises(TimeoutError):  # far below these 34 MB
                for _ in range(1000):
                    rpc.socket.sendall(ping)
            daemon.call("cancel", {"ids": [job]})
            rpc.socket.settimeout(penstock_test.DEADLINE)
            self.assertEqual(rpc.receive()["result"]["jobs"][0]["state"], "cancelled")

    def test_hundreds_of_clients(self):
        clients = [self.penstock.rpc() for _ in range(300)]
        for client in clients:
            client.request("ping")
        for client in clients:
            self.assertIn("result", client.receive())
        for client in clients:
            client.close()
        self.penstock.call("ping")

    def test_socat_is_a_client(self):
        done = penstock_test.run("socat", "-t", "10", "-", f"UNIX-CONNECT:{self.penstock.socket}", check=0,
                                 input='{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
        self.assertEqual(json.loads(done.stdout)["id"], 1)


class Jobs(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()

    def test_submit_array(self):
        daemon = self.daemon()
        answers = daemon.call("submit", [{"url": self.web.url("/bytes?n=1")}, {"url": "ftp://example.org/"},
                                         {"url": self.web.url("/bytes?n=2")}, {"no": "url"}])
        self.assertEqual([sorted(a) for a in answers], [["id"], ["error"], ["id"], ["error"]])
        for answer in (answers[0], answers[2]):
            self.assert_verdict(daemon.verdict(answer["id"]), "done")

    def test_what_submit_refuses(self):
        daemon = self.daemon()
        good = self.web.url("/bytes?n=1")
        with daemon.rpc() as rpc:
            for job, words in (
                    ({"url": "file:///etc/passwd"}, ["url", "http"]), ({"url": "not a url"}, ["url"]), ({"url": ""}, ["url"]),
                    ({"url": 5}, ["url"]), ({"url": "http://user:hunter2@example.org/"}, ["url", "credential"]),
                    ({"url": good, "headers": {"Authorization": "Basic c2VjcmV0"}}, ["credential"]),
                    ({"url": good, "headers": {"Cookie": "a=hunter2"}}, ["credential"]),
                    ({"url": good, "headers": {"X-A": "b\r\nX-C: d"}}, ["header"]),
                    ({"url": good, "headers": {"Connection": "close"}}, ["Connection"]),
                    ({"url": good, "parser": "nothing"}, ["parser", "nothing"]),
                    ({"url": good, "parser": "csv", "options": {"delimeter": ";"}}, ["delimeter"]),
                    ({"url": good, "timeout": "soon"}, ["timeout"]), ({"url": good, "max_body": -1}, ["max_body"]),
                    ({"url": good, "no_such_member": 1}, ["no_such_member"]), ({"url": good, "digest": "md5"}, ["digest"]),
                    ({"url": good, "method": "DELETE"}, ["method"]), ({"url": good, "labels": {"a": 1}}, ["labels"]),
            ):
                with self.subTest(job=job):
                    error = rpc.fail("submit", job)
                    self.assertEqual(error["code"], INVALID_PARAMS, error)
                    for word in words:
                        self.assertIn(word, error["message"])
                    self.assertNotIn("hunter2", json.dumps(error))
                    self.assertNotIn("c2VjcmV0", json.dumps(error))
        self.assertEqual(daemon.events("verdict"), [])

    def test_secrets_stand_in_no_output(self):
        daemon = self.daemon()
        url = self.web.url("/bytes?n=10&id=quiet&X-Amz-Signature=hunter2&token=hunter2")
        job = daemon.submit(url)
        verdict = daemon.verdict(job)
        shown = daemon.call("show", {"id": job})
        daemon.call("list")
        daemon.stop()
        for text in (daemon.log.read_text(), daemon.errors(), json.dumps(shown), json.dumps(verdict)):
            self.assertNotIn("hunter2", text)
        self.assertIn("***", verdict["url"])

    def test_show_list_select(self):
        daemon = self.daemon()
        good = [daemon.submit(self.web.url("/bytes?n=1"), labels={"kind": "good"}) for _ in range(3)]
        bad = [daemon.submit(self.web.url("/bytes?n=1&status=404"), labels={"kind": "bad"}, parser="lines") for _ in range(2)]
        daemon.call("wait", {"ids": good + bad})
        shown = daemon.call("show", {"id": good[0]})
        self.assertEqual((shown["id"], shown["state"]), (good[0], "done"))

        def ids(**select):
            return [j["id"] for j in daemon.call("list", select)["jobs"]]

        self.assertEqual(ids(), sorted(good + bad, reverse=True))
        self.assertEqual(ids(state="done"), sorted(good, reverse=True))
        self.assertEqual(ids(error="http_status"), sorted(bad, reverse=True))
        self.assertEqual(ids(label={"kind": "bad"}), sorted(bad, reverse=True))
        self.assertEqual(ids(parser="lines"), sorted(bad, reverse=True))
        page = daemon.call("list", {"limit": 2})
        rest = daemon.call("list", {"limit": 50, "before": page["next"]})
        self.assertEqual([j["id"] for j in page["jobs"] + rest["jobs"]], sorted(good + bad, reverse=True))
        self.assertIsNone(rest["next"])

    def test_wait(self):
        daemon = self.daemon()
        job = daemon.submit(self.web.url("/bytes?n=10&hold=gate&hold_at=5"))
        with daemon.rpc() as rpc:
            rpc.request("wait", {"ids": [job]})
            until(lambda: self.web.counts("/bytes").get("held"), "it is held")
            self.assertEqual(daemon.state(job), "running")
            self.web.release("gate")
            answer = rpc.receive()["result"]["jobs"]
            self.assertEqual([(j["id"], j["state"]) for j in answer], [(job, "done")])

    def test_retry(self):
        daemon = self.daemon({"defaults.max_attempts": "1"})
        first = daemon.submit(self.web.url("/bytes?n=10000&id=again&cut_first=10&etag=none&modified=0"), labels={"a": "b"})
        self.assert_verdict(daemon.verdict(first), "failed", "truncated")
        answer = daemon.call("retry", {"id": first})
        second = answer["retried"][0]["id"]
        self.assertNotEqual(first, second)
        verdict = daemon.verdict(second)
        self.assert_verdict(verdict, "done")
        self.assertEqual((verdict["retry_of"], verdict["labels"]), (first, {"a": "b"}))
        self.assertEqual(daemon.call("retry", {"id": 4711})["missing"], [4711])

    def test_key(self):
        daemon = self.daemon()
        job = {"url": self.web.url("/bytes?n=10"), "key": "once"}
        first = daemon.call("submit", job)
        again = daemon.call("submit", job)
        self.assertEqual(first["id"], again["id"])
        self.assertTrue(again["existing"])
        with daemon.rpc() as rpc:
            self.assertEqual(rpc.fail("submit", {**job, "parser": "lines"})["code"], CONFLICT)

    def test_queue_full(self):
        daemon = self.daemon({"queue.max_jobs": "3", "parse.workers": "1"})
        with daemon.rpc() as rpc:
            for _ in range(3):
                rpc.call("submit", {"url": self.web.url("/bytes?n=10&hold=gate")})
            self.assertEqual(rpc.fail("submit", {"url": self.web.url("/bytes?n=10")})["code"], QUEUE_FULL)
            self.web.release("gate")
            rpc.call("wait", {"ids": [1, 2, 3]})
            rpc.call("submit", {"url": self.web.url("/bytes?n=10")})

    def test_stats_and_parsers(self):
        daemon = self.daemon()
        daemon.job(self.web.url("/bytes?n=10"))
        self.assertIsInstance(daemon.call("stats"), dict)
        parsers = {p["name"]: p for p in daemon.call("parsers")["parsers"]}
        self.assertLessEqual({"count", "lines", "csv", "ndjson"}, set(parsers))
        for parser in parsers.values():
            self.assertTrue(parser["summary"])

    def test_two_clients_two_jobs(self):
        """Many clients, each with its own job, at once."""
        daemon = self.daemon()
        clients = [daemon.rpc() for _ in range(100)]
        for i, client in enumerate(clients):
            client.request("submit", {"url": self.web.url(f"/lines?n={i + 1}"), "parser": "count", "labels": {"n": str(i + 1)}})
        ids = [client.receive()["result"]["id"] for client in clients]
        self.assertEqual(len(set(ids)), 100)
        for i, (client, job) in enumerate(zip(clients, ids)):
            self.assertEqual(client.call("wait", {"ids": [job]})["jobs"][0]["state"], "done")
            self.assertEqual(until(lambda: daemon.records(job), "its record")[0]["lines"], i + 1)
            client.close()


class Follow(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.penstock = self.daemon()

    def events(self, rpc, until_verdicts=1):
        """The events' params until so many verdicts have come."""
        found = []
        while sum(e.get("event") == "verdict" for e in found) < until_verdicts:
            message = rpc.receive()
            self.assertIsNotNone(message, f"the stream ended after {found[-3:]}")
            if message.get("method") == "event":
                found.append(message["params"])
        return found

    def test_submit_and_follow(self):
        """Subscribed before the job is queued: nothing is missed, however fast it is."""
        with self.penstock.rpc() as rpc:
            rpc.request("submit", {"url": self.web.url("/lines?n=1000"), "parser": "lines", "follow": True})
            answer = rpc.receive()
            job = answer["result"]["id"]
            events = self.events(rpc)
        self.assertEqual([e["data"] for e in events if e["event"] == "record"], [{"line": i, "text": f"line {i}"} for i in range(1, 1001)])
        self.assertEqual(events, [e for e in self.penstock.lines() if e.get("job") == job])

    def test_follow_all(self):
        with self.penstock.rpc() as rpc:
            rpc.call("follow", {"events": ["verdict"]})
            jobs = [self.penstock.submit(self.web.url("/lines?n=3"), parser="lines") for _ in range(20)]
            events = self.events(rpc, 20)
        self.assertEqual({e["event"] for e in events}, {"verdict"})
        self.assertEqual(sorted(e["job"] for e in events), jobs)

    def test_follow_an_ended_job(self):
        job = self.penstock.submit(self.web.url("/bytes?n=1"))
        self.penstock.verdict(job)
        with self.penstock.rpc() as rpc:
            rpc.request("follow", {"ids": [job]})
            self.assertEqual(self.events(rpc)[0]["job"], job)
        with self.penstock.rpc() as rpc:
            self.assertEqual(rpc.fail("follow", {"ids": [4711]})["code"], NOT_FOUND)

    def test_a_slow_follower(self):
        """It is told how many lines it missed, it never loses a verdict, and it slows nobody."""
        with self.penstock.rpc() as rpc:
            rpc.call("follow", {"events": ["record", "verdict"]})
            lines = 400000 if not penstock_test.SANITIZED else 100000
            job = self.penstock.submit(self.web.url(f"/lines?n={lines}"), parser="lines")
            self.assert_verdict(self.penstock.verdict(job, 120), "done")
            came = missed = 0
            while True:
                message = rpc.receive()
                if message["method"] == "missed":
                    missed += message["params"]["lines"]
                    continue
                came += 1
                if message["params"]["event"] == "verdict":
                    break
        self.assertEqual(came + missed, lines + 1)
        self.assertGreater(missed, 0)


class Cancel(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()

    def cancel(self, daemon, job, answer="cancelled"):
        result = daemon.call("cancel", {"id": job})
        self.assertEqual(result[answer], [job], result)

    def ends_cancelled(self, daemon, job):
        self.cancel(daemon, job)
        self.assert_verdict(daemon.verdict(job), "cancelled")
        self.cancel(daemon, job, "ended")
        until(lambda: daemon.state(job) == "cancelled", "its end is stored")
        daemon.stop()
        self.assertEqual(len(daemon.events("verdict", job)), 1)

    def test_queued(self):
        daemon = self.daemon({"parse.workers": "1"})
        first = daemon.submit(self.web.url("/bytes?n=10&hold=gate"))
        until(lambda: daemon.state(first) == "running", "the first one runs")
        second = daemon.submit(self.web.url("/lines?n=10"))
        self.assertEqual(daemon.state(second), "queued")
        self.cancel(daemon, second)
        self.assert_verdict(daemon.verdict(second), "cancelled")
        self.web.release("gate")
        self.assert_verdict(daemon.verdict(first), "done")
        self.assertEqual(self.web.counts("/lines"), {})

    def test_connecting(self):
        daemon = self.daemon({"defaults.connect_timeout": "1h"})
        deaf = socket.socket()
        self.addCleanup(deaf.close)
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):
            filler = socket.socket()
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        job = daemon.submit(f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        until(lambda: daemon.state(job) == "running", "it runs")
        self.ends_cancelled(daemon, job)

    def test_waiting_for_the_first_byte(self):
        daemon = self.daemon()
        job = daemon.submit(self.web.url("/silence"))
        until(lambda: self.web.counts("/silence").get("stalled"), "the origin is silent")
        self.ends_cancelled(daemon, job)
        until(lambda: self.web.stats()["open"] <= 1, "the connection is closed")

    def test_parser_blocked_in_fread(self):
        daemon = self.daemon()
        job = daemon.submit(self.web.url("/lines?n=1000&stall=50"), parser="lines")
        until(lambda: daemon.records(job), "it has read something")
        self.ends_cancelled(daemon, job)

    def test_parser_running(self):
        daemon = self.daemon()
        job = daemon.submit(self.web.url("/lines?endless=1&drip=1,4000"), parser="lines")
        until(lambda: len(daemon.records(job)) > 1000, "records come")
        self.ends_cancelled(daemon, job)

    def test_at_full_speed(self):
        daemon = self.daemon()
        job = daemon.submit(self.web.url("/zeros?endless=1"), parser="count")
        until(lambda: self.web.counts("/zeros").get("body_sent", 0) > 10 << 20, "megabytes have been sent")
        self.ends_cancelled(daemon, job)
        self.assertEqual(daemon.records(job), [])

    def test_waiting_for_a_retry(self):
        daemon = self.daemon({"defaults.max_attempts": "5"})
        job = daemon.submit(self.web.url("/bytes?n=10&status=503&retry_after=3600"))
        until(lambda: daemon.state(job) == "waiting", "it waits")
        self.ends_cancelled(daemon, job)

    def test_finished(self):
        daemon = self.daemon()
        job = daemon.submit(self.web.url("/bytes?n=10"))
        self.assert_verdict(daemon.verdict(job), "done")
        self.cancel(daemon, job, "ended")
        self.assertEqual(daemon.call("cancel", {"id": 4711})["missing"], [4711])

    def test_storm(self):
        """Cancelled at every moment of a short life: each job has exactly one verdict, nothing hangs."""
        daemon = self.daemon({"parse.workers": "8"})
        jobs = []
        with daemon.rpc() as rpc:
            for i in range(300):
                jobs.append(rpc.call("submit", {"url": self.web.url(f"/lines?n=500&redirects={i % 3}"), "parser": "lines"})["id"])
                if i >= 5:
                    rpc.call("cancel", {"id": jobs[i - i % 5]})
            ended = rpc.call("wait", {"ids": jobs})["jobs"]
        states = {j["id"]: j["state"] for j in ended}
        self.assertLessEqual(set(states.values()), {"done", "cancelled"})
        daemon.stop()
        verdicts = daemon.events("verdict")
        self.assertEqual(sorted(v["job"] for v in verdicts), jobs)
        self.assertEqual({v["job"]: v["state"] for v in verdicts}, states)

    def test_select(self):
        daemon = self.daemon()
        jobs = [daemon.submit(self.web.url("/silence"), labels={"batch": "a"}) for _ in range(5)]
        other = daemon.submit(self.web.url("/silence"), labels={"batch": "b"})
        result = daemon.call("cancel", {"label": {"batch": "a"}})
        self.assertEqual(sorted(result["cancelled"]), jobs)
        for job in jobs:
            self.assert_verdict(daemon.verdict(job), "cancelled")
        self.assertNotIn(daemon.state(other), penstock_test.FINAL)
        self.cancel(daemon, other)


if __name__ == "__main__":
    penstock_test.main()

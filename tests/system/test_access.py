"""Who may do what: [control] submit_*, admin_*; and reload."""
import json
import os
import unittest

import penstock_test
from recorder import Recorder

USER, OTHER, GROUP = 61001, 61002, 61010

CLIENT = """
import json, os, socket, sys
uid, gids, path = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
os.setgroups(gids[1:]); os.setresgid(gids[0], gids[0], gids[0]); os.setresuid(uid, uid, uid)
s = socket.socket(socket.AF_UNIX); s.connect(path); s.settimeout(60)
f = s.makefile("rb")
for line in sys.stdin:
    s.sendall(line.encode())
    print(f.readline().decode(), end="", flush=True)
"""


@unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
class Access(penstock_test.Case):
    def setUp(self):
        super().setUp()
        os.chmod(self.dir, 0o755)
        self.server = Recorder(self)

    def start(self, **control):
        settings = {f"control.{k}": v for k, v in control.items()}
        self.penstock = self.daemon({"control.mode": "0666", **settings})
        return self.penstock

    def ask(self, uid, *calls, gids=None):
        """The answers to these (method, params) as that user's."""
        lines = "".join(json.dumps({"jsonrpc": "2.0", "id": i, "method": m, "params": p}) + "\n" for i, (m, p) in enumerate(calls))
        done = penstock_test.run("python3", "-c", CLIENT, uid, json.dumps(gids or [uid]), self.penstock.socket, input=lines, check=0)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(answers), len(calls), done.stderr)
        return answers

    def code(self, answer):
        return answer.get("error", {}).get("code", 0)

    def submit(self, uid, **job):
        return self.ask(uid, ("submit", {"url": self.server.url("/ok"), **job}))[0]["result"]["id"]

    def test_by_default_everybody(self):
        self.start()
        job = self.submit(USER)
        self.penstock.verdict(job)
        answers = self.ask(OTHER, ("show", {"id": job}), ("retry", {"id": job}), ("pause", {}), ("resume", {}), ("reload", {}))
        self.assertEqual([self.code(a) for a in answers], [0] * 5)
        self.assertEqual(answers[0]["result"]["uid"], USER)

    def test_whose_schedules_are_pruned(self):
        """One's own; those of others by root and by named administrators."""
        def apply(uid, name, **how):
            one = {"name": name, "url": "http://x/", "cron": "30 2 29 2 *"}
            answer = self.ask(uid, ("schedule_apply", {"schedules": [one], "prune": True, **how}))[0]
            return sorted((c["change"], c["name"]) for c in answer["result"]["changes"])

        self.start()
        self.assertEqual(apply(USER, "a"), [("created", "a")])
        self.assertEqual(apply(OTHER, "b"), [("created", "b")])
        self.assertEqual(apply(USER, "c"), [("created", "c"), ("removed", "a")])
        self.assertEqual(apply(0, "b"), [("removed", "c"), ("unchanged", "b")])
        self.start(admin_users=USER)
        self.assertEqual(apply(0, "a"), [("created", "a")])
        self.assertEqual(apply(USER, "b"), [("created", "b"), ("removed", "a")])

    def test_who_sees_what_a_schedule_sends(self):
        """Its headers and its body: its owner, root and named administrators."""
        one = {"name": "a", "url": "http://x/", "cron": "30 2 29 2 *", "method": "POST", "body": "hidden", "headers": {"X-Key": "hidden"},
               "parser": "lines"}

        def shown(uid):
            schedule = self.ask(uid, ("schedule_list", {}))[0]["result"]["schedules"][0]
            self.assertEqual((schedule["url"], schedule["parser"]), ("http://x/", "lines"))
            return schedule["headers"], schedule["body"]

        self.start()
        self.ask(USER, ("schedule_apply", {"schedules": [one]}))
        self.assertEqual(shown(USER), ({"X-Key": "hidden"}, "hidden"))
        self.assertEqual(shown(0), ({"X-Key": "hidden"}, "hidden"))
        self.assertEqual(shown(OTHER), (None, None))
        # What was withheld is not taken for what was asked for.
        listed = {**one, "headers": None, "body": None}
        for member in ("headers", "body"):
            answer = self.ask(OTHER, ("schedule_apply", {"schedules": [{**one, member: listed[member]}]}))[0]
            self.assertEqual(self.code(answer), -32602, answer)
        self.start(admin_users=OTHER)
        self.ask(0, ("schedule_apply", {"schedules": [one]}))
        self.assertEqual(shown(OTHER), ({"X-Key": "hidden"}, "hidden"))

    def test_who_submits(self):
        self.start(submit_users=USER, submit_groups=GROUP)
        for uid, gids, allowed in ((USER, None, True), (OTHER, None, False), (OTHER, [GROUP], True), (OTHER, [OTHER, 7, GROUP], True),
                                   (0, None, True)):
            answers = self.ask(uid, ("submit", {"url": self.server.url("/ok")}), ("submit", [{"url": self.server.url("/ok")}]),
                               gids=gids)
            self.assertEqual([self.code(a) == 0 for a in answers], [allowed] * 2, (uid, gids))
            if not allowed:
                self.assertEqual(answers[0]["error"]["data"]["kind"], "forbidden")
                self.assertIn("submit_users", answers[0]["error"]["message"])
        job = self.submit(USER)
        self.penstock.verdict(job)
        self.assertEqual([self.code(a) for a in self.ask(OTHER, ("retry", {"id": job}), ("show", {"id": job}), ("ping", {}))],
                         [-32005, 0, 0])

    def test_who_administers(self):
        self.start(admin_groups=GROUP)
        self.penstock.call("pause")
        mine, theirs = self.submit(USER), self.submit(OTHER)
        calls = (("show", {"id": theirs}), ("cancel", {"id": theirs}), ("wait", {"ids": [theirs]}), ("pause", {}), ("resume", {}),
                 ("reload", {}), ("schedule_list", {}))
        self.assertEqual([self.code(a) for a in self.ask(USER, *calls)], [-32005] * 7)
        listed, cancelled, followed = self.ask(USER, ("list", {}), ("cancel", {"ids": [mine, theirs, 99]}), ("follow", {"ids": [theirs]}))
        self.assertEqual([j["id"] for j in listed["result"]["jobs"]], [mine])
        self.assertEqual(cancelled["result"], {"cancelled": [mine], "ended": [], "missing": [99], "forbidden": [theirs]})
        self.assertIn(self.code(followed), (-32005, -32001))
        # By SELECT they have their own alone.
        another = self.submit(USER)
        self.assertEqual(self.ask(USER, ("cancel", {"state": "queued"}))[0]["result"]["cancelled"], [another])
        self.assertEqual(self.penstock.state(theirs), "queued")
        for uid, gids in ((USER, [USER, GROUP]), (0, None)):
            answers = self.ask(uid, ("show", {"id": theirs}), ("list", {}), ("reload", {}), gids=gids)
            self.assertEqual([self.code(a) for a in answers], [0] * 3)
            self.assertEqual([j["id"] for j in answers[1]["result"]["jobs"]], [another, theirs, mine])

    def test_who_follows_what(self):
        """A stream has the follower's own jobs only, and the daemon's lines."""
        self.start(admin_users=0)
        with penstock_test.Rpc(self.penstock.socket) as admin:
            admin.call("follow")
            script = CLIENT.replace("for line in sys.stdin:\n    s.sendall(line.encode())\n    print(f.readline().decode(), end=\"\", flush=True)",
                                    "s.sendall(sys.argv[4].encode() + b'\\n')\nfor line in f:\n    print(line.decode(), end='', flush=True)")
            out = open(self.dir / "followed", "wb+")
            self.addCleanup(out.close)
            follower = penstock_test.Program(self, ["python3", "-c", script, USER, json.dumps([USER]), self.penstock.socket,
                                                    json.dumps({"jsonrpc": "2.0", "id": 1, "method": "follow"})], "follower",
                                             stdout=out)

            def events():
                return penstock_test.lines_of(self.dir / "followed")

            penstock_test.until(events, "it follows")
            theirs = [self.submit(OTHER) for _ in range(5)]
            for job in theirs:
                self.penstock.verdict(job)
            mine = self.submit(USER)
            penstock_test.until(lambda: any(e.get("params", {}).get("event") == "verdict" for e in events()), "its verdict came")
            jobs = {e["params"].get("job") for e in events()[1:] if e["params"]["event"] != "start"}
            self.assertEqual(jobs, {mine})
            seen = set()
            while mine not in seen:
                message = admin.receive()
                if message.get("params", {}).get("event") == "verdict":
                    seen.add(message["params"]["job"])
            self.assertEqual(seen, {*theirs, mine})
            follower.kill()

    def test_the_client_says_so(self):
        self.start(admin_users=0)
        self.penstock.call("pause")
        job = self.submit(OTHER)
        done = penstock_test.run("setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", penstock_test.BIN / "penstockctl",
                                 "--socket", self.penstock.socket, "cancel", job)
        self.assertEqual(done.returncode, 3)
        self.assertIn("another user's", done.stderr)


class Reload(penstock_test.Case):
    def test_all_or_nothing(self):
        config = self.wrote("p.conf", "[daemon]\nlog_level = info\n")
        daemon = self.daemon(config=config)
        config.write_text('[host "127.0.0.1"]\nconnections = 1\n[store]\nkeep_finished = 1h\n[fetch]\nresume_delay = 1s\n')
        self.assertEqual(daemon.call("reload"), {"reloaded": True, "restart": ["store.keep_finished", "fetch.resume_delay"]})
        config.write_text("[parse]\nworkers = 3\nwokers = 2\n")
        with penstock_test.Rpc(daemon.socket) as rpc:
            error = rpc.fail("reload")
        self.assertEqual((error["code"], error["data"]["kind"]), (-32007, "bad_config"))
        self.assertIn("p.conf:3", error["message"])
        self.assertIn("nothing has changed", error["message"])
        self.assertEqual(daemon.call("stats")["workers"]["limit"], 64)
        done = penstock_test.run(penstock_test.BIN / "penstockctl", "--socket", daemon.socket, "reload")
        self.assertEqual(done.returncode, 3)
        self.assertIn("p.conf:3", done.stderr)
        config.write_text("[parse]\nworkers = 3\n[queue]\nmax_jobs = 7\n")
        done = penstock_test.run(penstock_test.BIN / "penstockctl", "--socket", daemon.socket, "reload", check=0)
        self.assertEqual(done.stdout, "queue.max_jobs: needs a restart\n")
        self.assertEqual(daemon.call("stats")["workers"]["limit"], 3)


if __name__ == "__main__":
    penstock_test.main()

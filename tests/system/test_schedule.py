# label: sanitize
"""Schedules: files of them, conditional requests, what is left out and made up for, restarts."""
import email.utils
import json
import os
import sqlite3
import time

import penstock_test
from penstock_test import until
from recorder import Recorder

INVALID, NOT_FOUND, CONFLICT = -32602, -32001, -32002
FAR = {"cron": "30 2 29 2 *", "timezone": "UTC"}  # not while a test runs


class Scheduling(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.root = self.dir / "files"
        self.root.mkdir()
        self.files = 0
        self.web = self.origin("--root", self.root)
        self.db = self.dir / "penstock.db"

    def durable(self, settings=None, **kwargs):
        return self.daemon({"store.engine": "sqlite", "store.path": self.db, **(settings or {})}, **kwargs)

    def file(self, text, name="feed"):
        """A new file in place of the old one: another ETag, whatever the clock's grain."""
        (self.root / "new").write_text(text)
        self.files += 1
        os.utime(self.root / "new", (1735689600 + self.files,) * 2)  # what is as new as now could change in this second
        (self.root / "new").rename(self.root / name)
        return self.web.url(f"/file/{name}")

    def add(self, daemon, name, url, **members):
        return daemon.call("schedule_add", {"name": name, "url": url, **(members or FAR)})

    def one(self, daemon, name):
        found = [s for s in daemon.call("schedule_list")["schedules"] if s["name"] == name]
        self.assertEqual(len(found), 1)
        return found[0]

    def run_now(self, daemon, name, **how):
        """The verdict of a run, which the schedule knows of."""
        job = daemon.call("schedule_run", {"name": name, **how})["id"]
        verdict = daemon.verdict(job)
        until(lambda: "running" not in self.one(daemon, name), "the schedule knows of its end")
        self.assertEqual(verdict["schedule"], name)
        return verdict

    def verdicts(self, daemon, name):
        return [v for v in daemon.events("verdict") if v.get("schedule") == name]


class Conditions(Scheduling):
    def test_nothing_new(self):
        """The second run gets 304: done, unchanged, and no parser ran; another file is parsed again."""
        daemon = self.daemon()
        url = self.file("one\ntwo\n")
        self.add(daemon, "feed", url, parser="lines", **FAR)
        first = self.run_now(daemon, "feed")
        self.assertEqual((first["status"], first["records"]), (200, 2))
        self.assertNotIn("unchanged", first)
        self.assertTrue(self.one(daemon, "feed")["conditional"])
        for _ in range(2):
            again = self.run_now(daemon, "feed")
            self.assertEqual((again["state"], again["status"], again["bytes"], again["records"]), ("done", 304, 0, 0))
            self.assertIs(again["unchanged"], True)
            self.assertNotIn("verified_by", again)
            self.assertEqual(daemon.records(again["job"]), [])
        self.file("three\n")
        self.assertEqual(self.run_now(daemon, "feed")["records"], 1)
        self.assertIn("unchanged", self.run_now(daemon, "feed"))

    def test_every_line_names_it(self):
        daemon = self.daemon()
        self.add(daemon, "a \"quoted\" name".replace(" ", "_"), self.web.url("/lines?n=3"), parser="lines", **FAR)
        job = self.run_now(daemon, 'a_"quoted"_name')["job"]
        lines = [e for e in daemon.lines() if e.get("job") == job]
        self.assertEqual([e["event"] for e in lines], ["record"] * 3 + ["attempt", "verdict"])
        self.assertEqual({e["schedule"] for e in lines}, {'a_"quoted"_name'})
        self.assertEqual(daemon.call("show", {"id": job})["schedule"], 'a_"quoted"_name')
        other = daemon.job(self.web.url("/lines?n=1"))
        self.assertNotIn("schedule", other)
        listed = daemon.call("list", {"schedule": 'a_"quoted"_name'})["jobs"]
        self.assertEqual([j["id"] for j in listed], [job])

    def test_what_counts_is_a_whole_body(self):
        """A run that failed leaves no validators, so the next one gets everything."""
        daemon = self.daemon()
        url = self.file("1\n2\nthree\n")
        self.add(daemon, "feed", url, parser="ndjson", max_attempts=1, **FAR)
        self.assert_verdict(self.run_now(daemon, "feed"), "failed", "parser_failed")
        self.assertFalse(self.one(daemon, "feed")["conditional"])
        self.assertEqual(self.run_now(daemon, "feed")["status"], 200)
        self.file("1\n2\n3\n")
        self.assert_verdict(self.run_now(daemon, "feed"), "done")
        self.file("bad\n")
        self.assert_verdict(self.run_now(daemon, "feed"), "failed", "parser_failed")
        self.file("1\n2\n3\n4\n")
        self.assertEqual(self.run_now(daemon, "feed")["records"], 4)

    def test_without_a_condition(self):
        """A 304 that nobody asked for is no success; a job of its own is not conditional."""
        daemon = self.daemon()
        self.add(daemon, "feed", self.web.url("/bytes?n=5&status=304"), **FAR)
        verdict = self.run_now(daemon, "feed")
        self.assert_verdict(verdict, "failed", "http_status")
        self.assertNotIn("unchanged", verdict)
        for _ in range(2):
            self.assertEqual(daemon.job(self.web.url("/bytes?n=5"))["status"], 200)

    def requests(self, daemon, name):
        """The head that the origin got."""
        return "\n".join(r["text"] for r in daemon.records(self.run_now(daemon, name)["job"]))

    def test_what_the_origin_is_asked(self):
        """/request answers with the request: its tag changes with it, so it is always new."""
        daemon = self.daemon()
        self.add(daemon, "feed", self.web.url("/request"), parser="lines", headers={"X-Mine": "1"}, **FAR)
        self.assertNotIn("If-", self.requests(daemon, "feed"))
        second = self.requests(daemon, "feed")
        self.assertIn("If-None-Match: \"", second)
        self.assertIn("If-Modified-Since: ", second)
        self.assertIn("X-Mine: 1", second)
        self.add(daemon, "own", self.web.url("/request"), parser="lines", headers={"If-Match": "*"}, **FAR)
        self.requests(daemon, "own")
        self.assertNotIn("If-None-Match", self.requests(daemon, "own"))
        self.add(daemon, "none", self.web.url("/request?etag=none&modified=0"), parser="lines", **FAR)
        self.requests(daemon, "none")
        self.assertNotIn("If-", self.requests(daemon, "none"))
        self.assertFalse(self.one(daemon, "none")["conditional"])

    def test_weak_tags_and_dates(self):
        daemon = self.daemon()
        self.add(daemon, "weak", self.web.url("/lines?n=2&etag=weak&modified=0"), **FAR)
        self.add(daemon, "date", self.web.url("/lines?n=2&etag=none"), **FAR)
        for name in ("weak", "date"):
            self.assertEqual(self.run_now(daemon, name)["status"], 200)
            self.assertEqual(self.run_now(daemon, name)["status"], 304)

    def test_another_wish_voids_them(self):
        """Another parser, option or header: everything is fetched again. Another time is no other wish."""
        daemon = self.daemon()
        wish = {"name": "feed", "url": self.file("a\nb\n"), "parser": "lines", **FAR}

        def apply(**members):
            wish.update(members)
            return daemon.call("schedule_apply", {"schedules": [wish]})["changes"][0]["change"]
        self.assertEqual(apply(), "created")
        self.run_now(daemon, "feed")
        self.assertEqual(self.run_now(daemon, "feed")["status"], 304)
        self.assertEqual(apply(cron="31 2 29 2 *"), "updated")
        self.assertEqual(self.run_now(daemon, "feed")["status"], 304)
        for change in ({"parser": "count"}, {"headers": {"X": "1"}}, {"labels": {"a": "b"}}, {"parser": "csv"},
                       {"options": {"header": "no"}}):
            self.assertEqual(apply(**change), "updated", change)
            self.assertEqual(apply(), "unchanged")
            self.assertEqual(self.run_now(daemon, "feed")["status"], 200, change)
            self.assertEqual(self.run_now(daemon, "feed")["status"], 304, change)

    def test_a_run_of_the_old_wish_leaves_nothing(self):
        """It ends after its schedule has been changed: what it had is not what the new one wants."""
        daemon = self.daemon()
        self.add(daemon, "feed", self.web.url("/lines?n=3&hold=gate"), parser="count", **FAR)
        job = daemon.call("schedule_run", {"name": "feed"})["id"]
        until(lambda: daemon.state(job) == "running", "it runs")
        daemon.call("schedule_apply", {"schedules": [{"name": "feed", "url": self.web.url("/lines?n=3&hold=gate"),
                                                      "parser": "lines", **FAR}]})
        self.web.release("gate")
        self.assert_verdict(daemon.verdict(job), "done")
        until(lambda: "running" not in self.one(daemon, "feed"), "it has ended")
        self.assertFalse(self.one(daemon, "feed")["conditional"])
        self.assertEqual(self.run_now(daemon, "feed")["records"], 3)

    def test_redirects(self):
        """The validators are those of the last hop, and asked with there only."""
        daemon = self.daemon()
        self.add(daemon, "feed", self.web.url("/lines?n=2&redirects=2"), parser="lines", **FAR)
        self.assertEqual(self.run_now(daemon, "feed")["records"], 2)
        again = self.run_now(daemon, "feed")
        self.assertEqual((again["status"], again.get("redirects")), (304, 2))

    def validated(self, daemon, *headers):
        """A schedule of a server whose answers have these headers."""
        server = Recorder(self)
        server.extra_headers = list(headers)
        self.add(daemon, "valid", server.url("/valid"), parser="lines", **FAR)
        return server

    def test_modified_in_this_second(self):
        """It can be so once more, by a server whose tags are made of time and size: that would never be seen."""
        # Seconds since the change, by the origin's clock, or by ours if it tells no time.
        for told, age, kept in ((True, 0, False), (True, -3600, False), (True, 1, True), (False, -60, False), (False, 30, False), (False, 120, True)):
            daemon = self.daemon()
            now = time.time() + (7200 if told else 0)
            headers = [("ETag", '"67748580-4"'), ("Last-Modified", email.utils.formatdate(now - age, usegmt=True))]
            headers += [("Date", email.utils.formatdate(now, usegmt=True))] if told else []
            server = self.validated(daemon, *headers)
            server.date, server.body = False, b"one\n"
            self.run_now(daemon, "valid")
            self.assertIs(self.one(daemon, "valid")["conditional"], kept, (told, age))
            server.body = b"two\n"
            if not kept:
                again = self.run_now(daemon, "valid")
                self.assertEqual((again["status"], daemon.records(again["job"])), (200, [{"line": 1, "text": "two"}]))
                self.assertNotIn("If-None-Match", server.last()["headers"])

    def test_a_200_with_the_same_tag(self):
        """The origin, or a gateway, knows of no conditions: the body is the one that was there, and is not fetched."""
        date, later = "Wed, 01 Jan 2025 00:00:00 GMT", "Wed, 01 Jan 2025 00:00:01 GMT"
        for before, after, unchanged in (([("ETag", '"1"')], [("ETag", '"1"')], True),
                                         ([("ETag", '"1"')], [("ETag", '"2"')], False),
                                         ([("ETag", 'W/"1"')], [("ETag", 'W/"1"')], False),
                                         ([("ETag", "1")], [("ETag", "1")], False),
                                         ([("Last-Modified", date)], [("Last-Modified", date)], False),
                                         ([("ETag", '"1"'), ("Last-Modified", date)], [("ETag", '"1"'), ("Last-Modified", date)], True),
                                         ([("ETag", '"1"'), ("Last-Modified", date)], [("ETag", '"1"'), ("Last-Modified", later)], False)):
            daemon = self.daemon()
            server = Recorder(self)
            server.extra_headers, server.body = before, b"x\n" * 500_000
            self.add(daemon, "feed", server.url("/head"), parser="count", **FAR)
            self.assertEqual(self.run_now(daemon, "feed")["bytes"], 1_000_000)
            server.extra_headers = after
            for _ in range(2 if unchanged else 1):
                again = self.run_now(daemon, "feed")
                self.assertEqual((again["state"], again["status"], again["attempt"]), ("done", 200, 1))
                self.assertEqual((again.get("unchanged", False), again["bytes"]), (unchanged, 0 if unchanged else 1_000_000), after)
            self.assertEqual(self.run_now(daemon, "feed", force=True)["bytes"], 1_000_000)

    def test_a_304_with_another_tag(self):
        """That is what the next one asks with (RFC 9111, 4.3.4)."""
        daemon = self.durable()
        server = self.validated(daemon, ("ETag", '"1"'))
        self.assertEqual(self.run_now(daemon, "valid")["status"], 200)
        server.headers_of_304 = [("ETag", '"2"'), ("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT")]
        again = self.run_now(daemon, "valid")
        self.assertEqual((again["status"], again["unchanged"]), (304, True))
        daemon.stop()
        daemon = self.durable()
        server.extra_headers = server.headers_of_304
        server.headers_of_304 = []
        for _ in range(2):
            self.assertEqual(self.run_now(daemon, "valid")["status"], 304)
            self.assertEqual(server.header("If-None-Match"), '"2"')
            self.assertEqual(server.header("If-Modified-Since"), "Wed, 01 Jan 2025 00:00:00 GMT")

    def test_another_file_behind_the_same_redirect(self):
        """An older file that another redirect leads to is new all the same."""
        self.file("old\n", "old")
        url = self.file("new\nnew\n", "new_one")
        daemon = self.daemon()
        wish = {"name": "feed", "parser": "lines", **FAR}
        for target, records in (("/file/new_one", 2), ("/file/old", 1)):
            wish["url"] = self.web.url(f"/text?redirect={target}&id=x")
            daemon.call("schedule_apply", {"schedules": [wish]})
            self.assertEqual(self.run_now(daemon, "feed")["records"], records)
        self.assertTrue(url)

    def test_another_parser_of_the_same_name(self):
        """What the config makes of a parser's name has changed: the same body makes other records."""
        url = self.file("a;b\n1;2\n")
        config = self.wrote("c", '[parser "mine"]\ntype = csv\n')
        daemon = self.durable(config=config)
        self.add(daemon, "feed", url, parser="mine", **FAR)
        for text, status in (("", 200), ("", 304), ("option.delimiter = ;\n", 200), ("option.delimiter = ;\n", 304),
                             ("max_body = 1M\noption.delimiter = ;\n", 304)):
            config.write_text('[parser "mine"]\ntype = csv\n' + text)
            daemon.call("reload")
            self.assertEqual(self.run_now(daemon, "feed")["status"], status, text)
        self.assertEqual([r["data"] for r in daemon.events("record")], [{"a;b": "1;2"}, {"a": "1", "b": "2"}])

    def test_a_resume_is_not_conditional(self):
        """The body is cut: the rest is asked for with Range, and not with what was known before."""
        daemon = self.daemon({"fetch.resume_delay": "1ms"})
        wish = {"name": "feed", "parser": "lines", **FAR}
        url = self.web.url("/lines?n=1000&id=one&etag=change")
        daemon.call("schedule_apply", {"schedules": [{**wish, "url": url}]})
        self.assertEqual(self.run_now(daemon, "feed")["records"], 1000)
        self.file("".join(f"{i}\n" for i in range(1000)), "long")
        url = self.web.url("/file/long?cut_first=500&id=two")
        daemon.call("schedule_apply", {"schedules": [{**wish, "url": url}]})
        first = self.run_now(daemon, "feed")
        self.assertEqual((first["records"], first["resumes"]), (1000, 1))
        self.assertEqual(self.run_now(daemon, "feed")["status"], 304)


class Times(Scheduling):
    def test_every(self):
        daemon = self.daemon()
        self.add(daemon, "feed", self.web.url("/lines?n=1"), parser="lines", every="100ms")
        until(lambda: len(self.verdicts(daemon, "feed")) >= 5, "it runs again and again")
        verdicts = self.verdicts(daemon, "feed")
        self.assertEqual({v["state"] for v in verdicts}, {"done"})
        self.assertEqual([("unchanged" in v) for v in verdicts[:3]], [False, True, True])
        daemon.call("schedule_remove", {"name": "feed"})
        self.assertEqual(daemon.call("schedule_list"), {"schedules": [], "next": None})

    def test_one_at_a_time(self):
        """A run that outlasts its period: the times in between are left out, and counted."""
        daemon = self.daemon()
        self.add(daemon, "feed", self.web.url("/lines?n=1&hold=gate&first=1"), parser="lines", every="100ms")
        until(lambda: self.one(daemon, "feed")["skipped"] >= 3, "times are left out")
        schedule = self.one(daemon, "feed")
        self.assertEqual(schedule["runs"], 1)
        self.assertEqual(schedule["running"], schedule["last_job"])
        with daemon.rpc() as rpc:
            error = rpc.fail("schedule_run", {"name": "feed"})
        self.assertEqual(error["code"], CONFLICT)
        self.assertEqual(daemon.errors().count("is left out"), 1)
        self.web.release("gate")
        until(lambda: self.one(daemon, "feed")["runs"] >= 3, "it goes on")
        jobs = sorted(v["job"] for v in self.verdicts(daemon, "feed"))
        self.assertEqual(jobs, list(range(1, len(jobs) + 1)))

    def test_pause(self):
        daemon = self.daemon()
        self.add(daemon, "feed", self.web.url("/lines?n=1"), every="100ms")
        until(lambda: self.verdicts(daemon, "feed"), "it runs")
        daemon.ctl("pause", "schedule", "feed", check=0)
        until(lambda: "running" not in self.one(daemon, "feed"), "its last run ends")
        schedule = self.one(daemon, "feed")
        self.assertTrue(schedule["paused"])
        self.assertNotIn("next", schedule)
        self.assertEqual(self.run_now(daemon, "feed")["state"], "done")
        time.sleep(0.35)  # three periods: it would have run
        self.assertEqual(self.one(daemon, "feed")["runs"], schedule["runs"] + 1)
        daemon.ctl("resume", "schedule", "feed", check=0)
        until(lambda: self.one(daemon, "feed")["runs"] >= schedule["runs"] + 3, "it goes on")
        done = daemon.ctl("pause", "schedule", "nothing")
        self.assertEqual(done.returncode, 3)
        self.assertIn("nothing", done.stderr)

    def test_a_full_queue(self):
        """A run that finds no room is made once there is some, and not left out."""
        daemon = self.daemon({"queue.max_jobs": "1"})
        held = daemon.submit(self.web.url("/lines?n=1&hold=gate"))
        self.add(daemon, "feed", self.web.url("/lines?n=1"), every="1h", jitter="none")
        schedule = until(lambda: (s := self.one(daemon, "feed")).get("problem") and s, "it finds no room")
        self.assertIn("queue.max_jobs", schedule["problem"])
        self.assertTrue(schedule["failing"])
        self.web.release("gate")
        daemon.verdict(held)
        until(lambda: self.verdicts(daemon, "feed"), "it is run")
        schedule = self.one(daemon, "feed")
        self.assertFalse(schedule["failing"])
        self.assertNotIn("problem", schedule)

    def test_cron_and_zone(self):
        daemon = self.daemon()
        url = self.web.url("/lines?n=1")
        self.add(daemon, "berlin", url, cron="0 12 * * *", timezone="Europe/Berlin", jitter="none")
        self.add(daemon, "tokyo", url, cron="0 12 * * *", timezone="Asia/Tokyo", jitter="none")
        self.assertIn(self.one(daemon, "berlin")["next"][11:19], ("10:00:00", "11:00:00"))
        self.assertEqual(self.one(daemon, "tokyo")["next"][11:19], "03:00:00")


class Files(Scheduling):
    def feeds(self, count, **members):
        return [{"name": f"feed{i:03d}", "url": self.web.url(f"/lines?n={i % 5}"), "parser": "lines", "every": "1h",
                 **members} for i in range(count)]

    def write(self, schedules, name="feeds.jsonl"):
        return self.wrote(name, "".join(json.dumps(s) + "\n" for s in schedules))

    def apply(self, daemon, schedules, *options, check=0):
        return daemon.ctl("schedule", "apply", self.write(schedules), *options, check=check)

    def test_400_feeds(self):
        """One file, one command; again it changes nothing; then it is what the file says."""
        daemon = self.durable()
        feeds = self.feeds(400)
        done = self.apply(daemon, feeds)
        self.assertEqual(done.stdout.splitlines()[-1], "400 created, 0 updated, 0 unchanged, 0 removed")
        self.assertEqual(len(done.stdout.splitlines()), 401)
        self.assertEqual(self.apply(daemon, feeds).stdout, "0 created, 0 updated, 400 unchanged, 0 removed\n")
        feeds[7]["every"] = "2h"
        del feeds[9]
        dry = self.apply(daemon, feeds, "--prune", "--dry-run").stdout.splitlines()
        self.assertEqual(dry[:2], ["updated feed007", "removed feed009"])
        self.assertIn("dry run", dry[2])
        self.assertEqual(self.apply(daemon, feeds).stdout.splitlines(),
                         ["updated feed007", "0 created, 1 updated, 398 unchanged, 0 removed"])
        self.assertEqual(self.apply(daemon, feeds, "--prune").stdout.splitlines(),
                         ["removed feed009", "0 created, 0 updated, 399 unchanged, 1 removed"])
        self.assertEqual(len(daemon.call("schedule_list")["schedules"]), 399)
        # Spread: they are not due in the same second.
        due = [s["next"][:19] for s in daemon.call("schedule_list")["schedules"]]
        self.assertGreater(len(set(due)), 150)
        self.assertLess(max(due.count(d) for d in set(due)), 12)

    def test_a_list_is_an_export(self):
        """What `--json schedule list` says can be applied again, here without a change and elsewhere as it was."""
        daemon, other = self.daemon(), self.daemon()
        feeds = [{**f, "max_body": "5M", "labels": {"a": "b"}, "options": {}, "headers": ["X-A: b"]} for f in self.feeds(3)]
        feeds += [{"name": "cron", "url": self.web.url("/lines?n=1"), "cron": "0 3 * * *", "timezone": "Europe/Berlin"}]
        self.apply(daemon, feeds)
        daemon.call("wait", {"ids": [daemon.call("schedule_run", {"name": "feed000"})["id"]]})
        export = self.wrote("export.jsonl", daemon.ctl("--json", "schedule", "list", check=0).stdout)
        self.assertEqual(daemon.ctl("schedule", "apply", export, check=0).stdout, "0 created, 0 updated, 4 unchanged, 0 removed\n")
        other.ctl("schedule", "apply", export, check=0)
        self.assertEqual(self.apply(other, feeds).stdout, "0 created, 0 updated, 4 unchanged, 0 removed\n")
        own = daemon.ctl("schedule", "export", check=0).stdout
        self.assertEqual([json.loads(line)["name"] for line in own.splitlines()], [*(f["name"] for f in feeds[1:][-1:]), *(f["name"] for f in feeds[:-1])])
        for line, feed in zip(own.splitlines()[1:], feeds):
            self.assertEqual({k: v for k, v in json.loads(line).items() if k in feed}, feed)
            self.assertFalse({"next", "runs", "last", "failing", "paused"} & set(json.loads(line)))
        self.assertEqual(self.apply(daemon, [json.loads(line) for line in own.splitlines()]).stdout,
                         "0 created, 0 updated, 4 unchanged, 0 removed\n")
        self.assertEqual(daemon.ctl("schedule", "export", "feed*1", check=0).stdout, own.splitlines()[2] + "\n")
        self.assertEqual(daemon.ctl("schedule", "export", "none*", check=0).stdout, "")
        self.assertIn("usage: penstockctl schedule export [PATTERN]", daemon.ctl("schedule", "export", "a", "b", check=2).stderr)
        secret = [{"name": "secret", "url": self.web.url("/lines?token=abc"), "every": "1h"}]
        self.apply(daemon, secret)
        self.assertIn("secret: its URL is shown without its secret", daemon.ctl("schedule", "export", check=3).stderr)
        export = self.wrote("export.jsonl", daemon.ctl("--json", "schedule", "list", check=0).stdout)
        self.assertNotIn("abc", export.read_text())
        self.assertIn("it was listed without its secret (***)", other.ctl("schedule", "apply", export, check=3).stderr)

    def test_a_page_of_large_schedules(self):
        """It ends before its limit, and the next one goes on."""
        daemon = self.daemon()
        with penstock_test.Rpc(daemon.socket) as rpc:
            for i in range(30):
                rpc.call("schedule_add", {"name": f"s{i:02}", "url": self.web.url("/lines?n=1"), "every": "7d", "method": "POST",
                                          "body": "x" * 60_000})
            names, after, pages = [], {}, 0
            while after is not None:
                page = rpc.call("schedule_list", after)
                self.assertLess(len(json.dumps(page)), 700_000)
                names += [s["name"] for s in page["schedules"]]
                after, pages = page["next"] and {"after": page["next"]}, pages + 1
            self.assertEqual(names, [f"s{i:02}" for i in range(30)])
            self.assertGreater(pages, 2)

    def test_400_feeds_run(self):
        daemon = self.durable()
        self.apply(daemon, self.feeds(400, jitter="1s"))
        until(lambda: len(daemon.events("verdict")) >= 400, "all have run")
        self.assertEqual({v["state"] for v in daemon.events("verdict")}, {"done"})
        self.assertEqual(len({v["schedule"] for v in daemon.events("verdict")}), 400)
        self.assertEqual(len(set(daemon.ctl("schedule", "export", check=0).stdout.splitlines())), 400)
        self.assertEqual(daemon.ctl("schedule", "list", "--failing").returncode, 0)
        self.assertEqual(daemon.call("stats")["schedules"], {"total": 400, "failing": 0, "paused": 0})

    def test_a_bad_line_changes_nothing(self):
        daemon = self.daemon()
        feeds = self.feeds(10)
        for wrong, words in (({"every": "sometimes"}, "every"), ({"parser": "nothing"}, "parser"),
                             ({"url": "ftp://x/"}, "url"), ({"name": "feed003"}, "line 4"), ({"key": "x"}, "key")):
            done = self.apply(daemon, [*feeds, {**feeds[0], "name": "bad", **wrong}], check=3)
            self.assertIn("line 11: ", done.stderr, wrong)
            self.assertIn(words, done.stderr)
            self.assertIn("nothing was changed", done.stderr)
        path = self.wrote("f", '{"name":"a"\n\nhttp://x/\n[]\n{"url":"http://x/","every":"1h"}\n')
        done = daemon.ctl("schedule", "apply", path, check=3)
        for line in (1, 3, 4, 5):
            self.assertIn(f"line {line}: ", done.stderr)
        self.assertEqual(daemon.call("schedule_list")["schedules"], [])

    def test_a_long_file(self):
        """More than one request: still all or none, and pruned as a whole."""
        daemon = self.daemon()
        feeds = self.feeds(2500, cron=FAR["cron"])
        for f in feeds:
            del f["every"]
        bad = [*feeds, {"name": "bad", "url": "http://x/", "cron": "x"}]
        done = self.apply(daemon, bad, check=3)
        self.assertIn("line 2501: cron", done.stderr)
        self.assertEqual(daemon.call("schedule_list")["schedules"], [])
        done = daemon.ctl("schedule", "apply", "-", input=self.write(feeds).read_text(), check=0)
        self.assertEqual(done.stdout.splitlines()[-1], "2500 created, 0 updated, 0 unchanged, 0 removed")
        self.assertEqual(len(daemon.ctl("--json", "schedule", "list", check=0).stdout.splitlines()), 2500)
        done = self.apply(daemon, feeds[:1200], "--prune")
        self.assertEqual(done.stdout.splitlines()[-1], "0 created, 0 updated, 1200 unchanged, 1300 removed")
        self.assertEqual(daemon.ctl("schedule", "apply", "/dev/null", "--prune").returncode, 2)
        self.assertEqual(daemon.call("stats")["schedules"]["total"], 1200)

    def test_a_part_is_pruned(self):
        daemon = self.daemon()
        self.apply(daemon, [{**f, "name": name} for f, name in zip(self.feeds(5), "abcde")])
        for part, gone in (({"after": "a", "until": "d", "keep": ["c"]}, ["b", "d"]), ({"until": "a"}, ["a"]), ({"after": "d"}, ["e"])):
            changes = daemon.call("schedule_apply", {"schedules": [], "prune": True, **part})["changes"]
            self.assertEqual(changes, [{"name": name, "change": "removed"} for name in gone])
        with daemon.rpc() as rpc:
            self.assertEqual(rpc.fail("schedule_apply", {"schedules": [], "prune": True, "after": 1})["data"]["field"], "after")

    def test_a_file_whose_names_need_two_requests(self):
        daemon = self.daemon()
        feeds = [{"name": (f"{i}-" + "x" * 64)[:64], "url": "http://x/", **FAR} for i in range(9000)]
        other = {"name": "55-a", "url": "http://x/", **FAR}
        self.apply(daemon, [other, {**other, "name": "0"}, {**other, "name": "z"}])
        done = self.apply(daemon, feeds, "--prune")
        self.assertEqual(done.stdout.splitlines()[-1], "9000 created, 0 updated, 0 unchanged, 3 removed")

    def test_client(self):
        daemon = self.daemon()
        url = self.web.url("/lines?n=2")
        done = daemon.ctl("schedule", "add", "a", url, "--cron", "30 2 29 2 *", "--timezone", "UTC", "--parser", "lines",
                          "--label", "k=v", check=0)
        self.assertEqual(done.stdout, "created a\n")
        self.assertIn("already", daemon.ctl("schedule", "add", "a", url, "--every", "1h", check=3).stderr)
        self.assertEqual(daemon.ctl("schedule", "add", "b", url, check=2).stdout, "")
        job = int(daemon.ctl("schedule", "run", "a", check=0).stdout)
        self.assertEqual(daemon.verdict(job)["labels"], {"k": "v"})
        rows = daemon.ctl("schedule", "list", check=0).stdout.splitlines()
        self.assertEqual(len(rows), 2)
        self.assertTrue(rows[1].startswith("a  "))
        self.assertEqual(daemon.ctl("schedule", "list", "--failing", check=0).stdout.count("\n"), 1)
        self.assertEqual(daemon.ctl("list", "--schedule", "a", check=0).stdout.count("\n"), 2)
        self.assertEqual(daemon.ctl("schedule", "remove", "a", check=0).stdout, "removed a\n")
        self.assertEqual(daemon.ctl("schedule", "remove", "a").returncode, 3)
        for wrong in (["schedule"], ["schedule", "aply", "x"], ["schedule", "add", "a"], ["schedule", "list", "x"],
                      ["schedule", "list", "--prune"], ["schedule", "run", "a", "--every", "5"]):
            self.assertEqual(daemon.ctl(*wrong).returncode, 2, wrong)

    def test_failing(self):
        """Told by the list's exit status, until a run is done again."""
        daemon = self.daemon()
        self.add(daemon, "good", self.web.url("/lines?n=1"), **FAR)
        self.add(daemon, "bad", self.web.url("/lines?n=1&id=bad&flaky=2&flaky_status=404"), **FAR)
        for failures in (1, 2):
            self.run_now(daemon, "good")
            self.assert_verdict(self.run_now(daemon, "bad"), "failed", "http_status")
            schedule = self.one(daemon, "bad")
            self.assertEqual((schedule["failing"], schedule["failures"]), (True, failures))
            self.assertEqual(schedule["last"]["error"], "http_status")
            done = daemon.ctl("schedule", "list", "--failing", check=1)
            self.assertIn("bad", done.stdout)
            self.assertNotIn("good", done.stdout)
        self.assertEqual(daemon.call("stats")["schedules"]["failing"], 1)
        self.assertEqual(daemon.ctl("schedule", "list").returncode, 0)
        self.assert_verdict(self.run_now(daemon, "bad"), "done")
        self.assertEqual(daemon.ctl("schedule", "list", "--failing").returncode, 0)

    def test_a_retry_counts(self):
        """A copy that `retry` submits is of the schedule, too."""
        daemon = self.daemon()
        self.add(daemon, "feed", self.web.url("/lines?n=1&id=x&flaky=1&flaky_status=404"), **FAR)
        failed = self.run_now(daemon, "feed")["job"]
        copy = daemon.call("retry", {"id": failed})["retried"][0]["id"]
        self.assertEqual(daemon.verdict(copy)["schedule"], "feed")
        until(lambda: not self.one(daemon, "feed")["failing"], "it is well again")
        self.assertEqual(self.run_now(daemon, "feed")["status"], 304)

    def test_refusals(self):
        daemon = self.daemon()
        url = self.web.url("/lines?n=1")
        with daemon.rpc() as rpc:
            for params, field in (({}, "name"), ({"name": "x", "url": url}, "every"),
                                  ({"name": "x", "every": "1h"}, "url"),
                                  ({"name": "x", "url": url, "every": "1h", "cron": "@daily"}, "every"),
                                  ({"name": "x", "url": url, "cron": "0 0 30 2 *"}, "cron"),
                                  ({"name": "x", "url": url, "cron": "@daily", "timezone": "X/Y"}, "timezone"),
                                  ({"name": "x", "url": url, "every": "1h", "headers": {"Cookie": "a"}}, "headers"),
                                  ({"name": "x", "url": url, "every": "1h", "wat": 1}, "wat")):
                error = rpc.fail("schedule_add", params)
                self.assertEqual((error["code"], error["data"]["field"]), (INVALID, field), params)
            for method in ("schedule_run", "schedule_remove"):
                self.assertEqual(rpc.fail(method, {"name": "x"})["code"], NOT_FOUND)
                self.assertEqual(rpc.fail(method, {"id": 1})["code"], INVALID)
            for params in ({}, {"schedules": 1}, {"schedules": [], "prun": True}, {"schedules": [], "keep": [1]},
                           {"schedules": [], "prune": 1}):
                self.assertEqual(rpc.fail("schedule_apply", params)["code"], INVALID, params)
            self.assertEqual(rpc.fail("schedule_list", {"limit": 0})["code"], INVALID)
            self.assertEqual(rpc.fail("submit", {"url": url, "every": "1h"})["code"], INVALID)

    def test_many_changes_at_once(self):
        """Changes of many clients come one after the other, and each is compared with what is there then."""
        daemon = self.durable()
        with daemon.rpc() as rpc:
            for i in range(200):
                rpc.send({"jsonrpc": "2.0", "id": i, "method": "schedule_apply", "params": {"schedules": [
                    {"name": f"n{i % 10}", "url": self.web.url(f"/lines?n={i // 100}"), **FAR}]}})
            changes = [rpc.receive()["result"]["changes"][0]["change"] for _ in range(200)]
        self.assertEqual(changes, ["created"] * 10 + ["unchanged"] * 90 + ["updated"] * 10 + ["unchanged"] * 90)


class Restart(Scheduling):
    def test_everything_is_kept(self):
        daemon = self.durable()
        self.add(daemon, "feed", self.file("a\n"), parser="lines", cron=FAR["cron"], timezone="UTC")
        self.add(daemon, "bad", self.web.url("/lines?n=1&status=404"), every="1h")
        self.add(daemon, "paused", self.web.url("/lines?n=1"), every="100ms")
        daemon.call("pause", {"schedule": "paused"})
        until(lambda: "running" not in self.one(daemon, "paused"), "none of its runs is left")
        self.run_now(daemon, "feed")
        self.run_now(daemon, "bad")
        before = daemon.call("schedule_list")
        daemon.stop()
        daemon = self.durable()
        self.assertEqual(daemon.call("schedule_list"), before)
        self.assertEqual(daemon.ctl("schedule", "list", "--failing").returncode, 1)
        self.assertEqual(self.run_now(daemon, "feed")["status"], 304)
        self.assertEqual(self.run_now(daemon, "feed", force=True)["status"], 200)
        self.assertEqual(self.run_now(daemon, "feed", force=False)["status"], 304)
        with daemon.rpc() as rpc:
            self.assertEqual(rpc.fail("schedule_run", {"name": "feed", "force": 1})["code"], INVALID)
            self.assertEqual(rpc.fail("schedule_remove", {"name": "feed", "force": True})["code"], INVALID)
        self.assertEqual(daemon.ctl("resume", "schedule", "paused").returncode, 0)
        until(lambda: self.verdicts(daemon, "paused"), "it runs again")

    def test_one_run_makes_up_for_all(self):
        """Down for some periods: one run, and then the rhythm from before."""
        daemon = self.durable()
        self.add(daemon, "feed", self.web.url("/lines?n=1"), every="1h", jitter="none")
        until(lambda: self.one(daemon, "feed").get("last"), "it has run")
        due = self.one(daemon, "feed")["next"]
        daemon.stop()
        late = 5 * 3600 * 1000000 + 1000000
        with sqlite3.connect(self.db) as db:
            db.execute("UPDATE schedules SET next_at=next_at-?", (late,))
        db.close()
        daemon = self.durable()
        until(lambda: self.verdicts(daemon, "feed"), "it is made up for")
        until(lambda: "running" not in self.one(daemon, "feed"), "it has ended")
        schedule = self.one(daemon, "feed")
        self.assertEqual((schedule["runs"], schedule["skipped"]), (2, 0))
        self.assertEqual(schedule["next"][14:16], due[14:16] if due[17:19] != "00" else schedule["next"][14:16])
        self.assertGreater(schedule["next"], time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()))
        self.assertEqual(len(self.verdicts(daemon, "feed")), 1)

    def test_killed_in_a_run(self):
        """The run goes on as the same job, and there is no second one beside it."""
        daemon = self.durable()
        self.add(daemon, "feed", self.web.url("/lines?n=3&hold=gate&first=1"), parser="lines", every="100ms")
        until(lambda: "running" in self.one(daemon, "feed"), "it runs")
        job = self.one(daemon, "feed")["running"]
        until(lambda: self.web.counts("/lines").get("requests"), "its attempt does")
        daemon.kill()
        daemon = self.durable()
        self.assertEqual(daemon.verdict(job)["records"], 3)
        self.assertEqual(daemon.verdict(job)["schedule"], "feed")
        attempts = daemon.events("attempt", job)
        self.assertEqual([(a["outcome"], a["schedule"]) for a in attempts], [("interrupted", "feed"), ("done", "feed")])
        until(lambda: self.one(daemon, "feed")["runs"] >= 3, "it goes on")
        jobs = [v["job"] for v in self.verdicts(daemon, "feed")]
        self.assertEqual(sorted(set(jobs)), list(range(job, job + len(jobs))))

    def test_forced_and_killed(self):
        """What was asked for without conditions is fetched so after a kill, too; and the next one is not."""
        daemon = self.durable()
        self.add(daemon, "feed", self.file("a\n"), parser="lines", **FAR)
        self.run_now(daemon, "feed")
        self.assertEqual(self.run_now(daemon, "feed")["status"], 304)
        daemon.call("pause", {"all": True})
        job = daemon.call("schedule_run", {"name": "feed", "force": True})["id"]
        daemon.kill()
        daemon = self.durable()
        self.assertEqual(daemon.verdict(job)["status"], 200)
        until(lambda: "running" not in self.one(daemon, "feed"), "it has ended")
        self.assertEqual(self.run_now(daemon, "feed")["status"], 304)

    def test_a_problem_is_kept(self):
        """Why a schedule could not be run is known after a restart, and forgotten with its next run."""
        config = self.wrote("c", '[parser "mine"]\ntype = lines\n')
        daemon = self.durable(config=config)
        self.add(daemon, "feed", self.web.url("/lines?n=1"), parser="mine", every="1s", jitter="none")
        until(lambda: self.one(daemon, "feed")["runs"], "it runs")
        config.write_text("")
        daemon.call("reload")
        until(lambda: "problem" in self.one(daemon, "feed"), "its parser is not there any more")
        daemon.call("pause", {"schedule": "feed"})
        daemon.stop()
        daemon = self.durable(config=config)
        self.assertIn("mine", self.one(daemon, "feed")["problem"])
        self.assertEqual(daemon.call("stats")["schedules"], {"total": 1, "failing": 1, "paused": 1})
        self.assertEqual([s["name"] for s in daemon.call("schedule_list", {"failing": True})["schedules"]], ["feed"])
        config.write_text('[parser "mine"]\ntype = lines\n')
        daemon.call("reload")
        daemon.call("resume", {"schedule": "feed"})
        until(lambda: "problem" not in self.one(daemon, "feed"), "it runs again")
        self.assertEqual(daemon.call("stats")["schedules"]["failing"], 0)

    def test_killed_often(self):
        """Every run is one job with one verdict, and no two of a schedule at once, whenever it is killed."""
        daemon = self.durable()
        for i in range(20):
            self.add(daemon, f"n{i}", self.web.url(f"/lines?n={i}"), parser="lines", every="100ms")
        verdicts = []
        for round_ in range(6):
            time.sleep(0.2 + 0.07 * round_)
            daemon.kill()
            verdicts += daemon.events("verdict")
            daemon = self.durable()
        schedules = daemon.call("schedule_list")["schedules"]
        for s in schedules:
            daemon.call("pause", {"schedule": s["name"]})
        until(lambda: not any("running" in s for s in daemon.call("schedule_list")["schedules"]), "all have ended")
        verdicts += daemon.events("verdict")
        self.assertEqual({v["state"] for v in verdicts}, {"done"})
        runs = sum(s["runs"] for s in daemon.call("schedule_list")["schedules"])
        jobs = {v["job"] for v in verdicts}
        self.assertEqual(jobs, set(range(1, runs + 1)))  # a verdict may stand twice in logs of different daemons

    def test_a_store_of_the_version_before(self):
        """Its jobs stay; it can have schedules now."""
        daemon = self.durable()
        job = daemon.submit(self.web.url("/bytes?n=3"))
        daemon.verdict(job)
        daemon.stop()
        with sqlite3.connect(self.db) as db:
            db.execute("DROP TABLE schedules")
            db.execute("DROP TABLE users")
            db.execute("DROP INDEX jobs_schedule")
            for column in ("schedule", "history", "interrupted", "torn", "ran"):
                db.execute(f"ALTER TABLE jobs DROP COLUMN {column}")
            db.execute("DELETE FROM counts WHERE state>=6")  # the bytes of what is queued, and of schedules
            db.execute("DROP INDEX jobs_state")
            db.execute("CREATE INDEX jobs_rare ON jobs(state) WHERE state IN (1,2,4,5)")
            db.execute("PRAGMA user_version=1")
        db.close()
        daemon = self.durable()
        self.assertEqual(daemon.call("show", {"id": job})["verdict"]["bytes"], 3)
        self.add(daemon, "feed", self.web.url("/lines?n=1"), **FAR)
        self.assertEqual(self.run_now(daemon, "feed")["job"], job + 1)
        self.assertTrue((self.dir / "penstock.db.v1").exists())


class Real(Scheduling):
    def test_nginx(self):
        people = self.root / "people.csv"
        people.write_text("id,name\n1,Ada\n")
        os.utime(people, (1735689600,) * 2)
        nginx = penstock_test.Nginx(self, self.root)
        daemon = self.daemon()
        self.add(daemon, "people", nginx.url("people.csv"), parser="csv", compress="yes", **FAR)
        self.assertEqual(self.run_now(daemon, "people")["records"], 1)
        again = self.run_now(daemon, "people")
        self.assertEqual((again["status"], again["unchanged"]), (304, True))
        people.write_text("id,name\n1,Ada\n2,Grace\n")
        now = (time.time() + 60,) * 2  # as if it were that second, however slow this is
        os.utime(people, now)
        self.assertEqual(self.run_now(daemon, "people")["records"], 2)
        # Again in the same second, and of the same size: its tag is the same.
        people.write_text("id,name\n1,Eva\n3,Bruce\n")
        os.utime(people, now)
        names = [r["name"] for r in daemon.records(self.run_now(daemon, "people")["job"])]
        self.assertEqual(names, ["Eva", "Bruce"])


if __name__ == "__main__":
    penstock_test.main()

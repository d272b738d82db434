# label: sanitize
"""A reload: it takes effect as a whole or not at all, and never holds the daemon up, however long the reading takes."""
import os
import pathlib
import select
import signal

import penstock_test
from penstock_test import ROOT, until

# Loading it takes until a file is gone.
HANGS = """
#include <penstock/parser.h>
#include <unistd.h>
__attribute__((constructor)) static void hang(void) { while (access("%s", F_OK) == 0) usleep(1000); }
static int parse(FILE *body, struct penstock_run *run) { (void)run; while (getc(body) != EOF) ; return PENSTOCK_OK; }
const struct penstock_parser penstock_plugin = {
    .abi = PENSTOCK_PARSER_ABI, .size = sizeof(struct penstock_parser), .name = "slow", .summary = "hangs", .parse = parse};
"""


def mentions(path):
    """Processes that have it in their command line."""
    found = []
    for place in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(str(path)) in place.read_bytes():
                found.append(int(place.parent.name))
        except OSError:
            pass
    return found


class Hanging(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.dir.chmod(0o755)
        self.plugins = self.dir / "plugins"
        self.plugins.mkdir(mode=0o755)
        self.hold = self.wrote("hold", "")
        self.object = self.plugins / "slow.so"
        self.penstock = self.daemon({"parse.plugin_dir": self.plugins, "daemon.drain": "30s"})
        source = self.wrote("slow.c", HANGS % self.hold)
        penstock_test.run("cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-I", ROOT / "include", source, "-o", self.dir / "slow.so", check=0)
        (self.dir / "slow.so").chmod(0o755)

    def tearDown(self):
        self.hold.unlink(missing_ok=True)
        super().tearDown()

    def begin(self, *connections):
        """Requests a reload on each, and waits until the plug-in is being asked."""
        (self.dir / "slow.so").rename(self.object)
        for rpc in connections:
            rpc.request("reload")
        return until(lambda: mentions(self.object), "the plug-in is asked what it is")

    def waits(self, rpc):
        return not select.select([rpc.socket], [], [], 0)[0]

    def test_nobody_waits_for_it_but_who_asked(self):
        origin = self.origin()
        with self.penstock.rpc() as first, self.penstock.rpc() as second, self.penstock.rpc() as other:
            asked = self.begin(first)
            second.request("reload")
            gone = self.penstock.rpc()
            gone.request("reload")
            gone.close()
            self.penstock.signal(signal.SIGHUP)
            other.call("ping")
            self.assertEqual(mentions(self.object), asked)
            self.assertTrue(self.waits(first) and self.waits(second))
            self.assert_verdict(self.penstock.job(origin.url("/lines?n=10")), "done")
            self.hold.unlink()
            for rpc in (first, second):
                self.assertEqual(rpc.receive()["result"], {"reloaded": True, "restart": []})
            until(lambda: self.penstock.errors().count("reload: done") == 2, "the second reading served all others")
            other.call("ping")

    def test_the_end_does_not_wait_either(self):
        with self.penstock.rpc() as rpc, self.penstock.rpc() as late:
            self.begin(rpc)
            late.request("reload")
            self.penstock.signal(signal.SIGTERM)
            for each in (rpc, late):
                self.assertEqual(each.receive()["error"]["data"]["kind"], "draining")
            self.assertEqual(self.penstock.exit_status(), 0, self.penstock.errors())
        self.assertEqual(mentions(self.object), [])
        self.assertNotIn("reload: done", self.penstock.errors())


class Reload(penstock_test.Case):
    def test_a_bad_file_changes_nothing(self):
        config = self.wrote("p.conf", '[parse]\nworkers = 5\n[parser "rows"]\ntype = csv\n')
        daemon = self.daemon(config=config)
        for text, why in (("[parse]\nworkers = 3\nwokers = 1\n", "p.conf:3: parse.wokers"),
                          ('[parse]\nworkers = 3\n[parser "x"]\ntype = none\n', "p.conf:3"),
                          ("[policy]\nallow = nonsense/99\n", "p.conf:2: policy.allow"),
                          ("[control]\nadmin_users = nobody-of-that-name\n", "admin_users"),
                          ('[host "a"]\ncredential = none\n', "credential")):
            with self.subTest(why):
                config.write_text(text)
                with daemon.rpc() as rpc:
                    error = rpc.fail("reload")
                self.assertIn(why, error["message"])
                self.assertIn("nothing has changed", error["message"])
                self.assertEqual(daemon.call("stats")["workers"]["limit"], 5)
                self.assertIn("rows", [p["name"] for p in daemon.call("parsers")["parsers"]])
        config.write_text("[parse]\nworkers = 3\n")
        daemon.signal(signal.SIGHUP)
        until(lambda: daemon.call("stats")["workers"]["limit"] == 3, "the signal reloads as well")
        self.assertNotIn("rows", [p["name"] for p in daemon.call("parsers")["parsers"]])


def sink(name, path=None, events="all"):
    return f'[sink "{name}"]\ntype = {f"file{chr(10)}path = {path}" if path else "stdout"}\nevents = {events}\n'


class Sinks(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.config = self.wrote("p.conf", sink("out"))
        self.penstock = self.daemon(config=self.config)
        self.source = self.origin()

    def names(self):
        return [s["name"] for s in self.penstock.call("stats")["sinks"]]

    def reload(self, *sinks):
        """Returns once the sinks are what they should be, which is a moment after the answer."""
        self.config.write_text("".join(sinks))
        self.assertEqual(self.penstock.call("reload"), {"reloaded": True, "restart": []})
        wanted = [s.split('"')[1] for s in sinks]
        until(lambda: self.names() == wanted, f"the sinks are {wanted}")

    def lines(self, path):
        return penstock_test.lines_of(path)

    def test_added_changed_and_removed(self):
        records, verdicts = self.dir / "records", self.dir / "verdicts"
        self.reload(sink("out"), sink("r", records, "record"))
        self.assert_verdict(self.penstock.job(self.source.url("/lines?n=10"), parser="lines"), "done")
        self.reload(sink("out"), sink("v", verdicts, "verdict"), sink("r", records, "record verdict"))
        self.assert_verdict(self.penstock.job(self.source.url("/lines?n=20"), parser="lines"), "done")
        self.reload(sink("v", verdicts))
        self.penstock.submit(self.source.url("/lines?n=5"), parser="lines")
        until(lambda: [e["event"] for e in self.lines(verdicts)].count("verdict") == 2, "its verdict is in a file")
        self.assertEqual(len(self.penstock.events("verdict")), 2)  # standard output rests
        self.assertEqual([e["event"] for e in self.lines(records)], 30 * ["record"] + ["verdict"])
        self.assertEqual([e["event"] for e in self.lines(verdicts)].count("record"), 5)
        self.reload(sink("out"))
        self.assert_verdict(self.penstock.job(self.source.url("/lines?n=5"), parser="lines"), "done")
        self.assertEqual(len(self.penstock.events("record")), 35)

    def test_each_line_is_in_exactly_one_while_they_change(self):
        files = [self.dir / name for name in ("a", "b", "c")]
        jobs = [self.penstock.submit(self.source.url("/lines?n=30000"), parser="lines") for _ in range(4)]
        done, turn = "done", 0
        with self.penstock.rpc() as rpc:
            while turn < 12 or any(rpc.call("show", {"id": job})["state"] != done for job in jobs):
                self.reload(sink(f"s{turn}", files[turn % 3]) if turn % 4 else sink(f"s{turn}"))
                turn += 1
        for file in files:
            self.assertIn(file.read_bytes()[-1:], (b"\n", b""))
        everything = self.penstock.lines() + [e for file in files for e in self.lines(file)]
        for job in jobs:
            self.assertEqual(sorted(e["seq"] for e in everything if e["event"] == "record" and e["job"] == job), list(range(1, 30001)))
            self.assertEqual(sum(e["event"] == "verdict" and e["job"] == job for e in everything), 1)

    def test_one_that_cannot_be_opened_refuses_it_all(self):
        good = self.dir / "good"
        self.config.write_text("[parse]\nworkers = 3\n" + sink("g", good) + sink("bad", self.dir / "none" / "log"))
        with self.penstock.rpc() as rpc:
            error = rpc.fail("reload")
            self.assertEqual(error["data"]["kind"], "bad_config")
        for part in ('sink "bad"', "none/log", "create its directory first", "nothing has changed"):
            self.assertIn(part, error["message"])
        self.assertEqual(self.names(), ["out"])
        self.assertNotEqual(self.penstock.call("stats")["workers"]["limit"], 3)
        self.assert_verdict(self.penstock.job(self.source.url("/lines?n=10"), parser="lines"), "done")
        self.assertEqual(good.read_bytes() if good.exists() else b"", b"")

    def test_dry_run(self):
        """It tells what a reload would change, and nothing has changed."""
        new = self.dir / "new"
        self.config.write_text(self.config.read_text() + sink("n", new) + "[parse]\nworkers = 3\n[queue]\nmax_jobs = 5\n"
                               '[host "Files.Example"]\nconnections = 2\n'
                               '[parser "p"]\ntype = exec\nstage = cat\nstage = load --password=hidden\n')
        with self.penstock.rpc() as rpc:
            before = rpc.call("stats")
            answer = rpc.call("reload", {"dry_run": True})
            self.assertEqual((answer["reloaded"], answer["restart"], answer["more"]), (False, ["queue.max_jobs"], 0))
            changes = {c["key"]: (c.get("from"), c.get("to")) for c in answer["changes"]}
            for key, change in {"parse.workers": ("64", "3"), "queue.max_jobs": ("1000000", "5"),
                                'host "files.example".connections': (None, "2"),
                                'parser "p".stage': (None, "cat | load --password=***"),
                                'sink "n".path': (None, str(new))}.items():
                self.assertEqual(changes[key], change)
            self.assertFalse(new.exists())
            self.assertEqual(rpc.call("stats")["workers"]["limit"], before["workers"]["limit"])
            self.assertEqual(self.penstock.errors().count("needs a restart"), 0)
            self.assertNotIn("reload: done", self.penstock.errors())
            self.assertEqual(rpc.call("reload"), {"reloaded": True, "restart": ["queue.max_jobs"]})
            self.assertEqual(rpc.call("reload", {"dry_run": True})["changes"], [])
            self.config.write_text("[parse]\nwrokers = 3\n")
            self.assertIn("did you mean workers?", rpc.fail("reload", {"dry_run": True})["message"])
            for params in ({"dry_run": 1}, {"dry": True}):
                self.assertEqual(rpc.fail("reload", params)["code"], -32602)
        shown = self.penstock.ctl("reload", "--dry-run")
        self.assertEqual(shown.returncode, 3, shown)
        self.config.write_text(sink("out") + "[parse]\nworkers = 3\nmax_record = 1K\n")
        shown = self.penstock.ctl("reload", "--dry-run", check=0).stdout
        self.assertIn("parse.max_record: 1M -> 1K\n", shown)
        self.assertIn('host "files.example".connections: 2 -> (not there)\n', shown)
        self.assertIn("parse.max_record: needs a restart\n", shown)

    def test_a_full_disk_is_left_behind(self):
        self.reload(sink("full", "/dev/full"))
        job = self.penstock.submit(self.source.url("/lines?n=50000"), parser="lines")
        until(lambda: self.penstock.call("stats")["sinks"][0]["failing"], "nothing can be written")
        self.reload(sink("after", self.dir / "after"))
        until(lambda: self.penstock.state(job) == "done", "the job goes on")
        lines = until(lambda: [e for e in self.lines(self.dir / "after") if e["event"] == "verdict"] and self.lines(self.dir / "after"), "its verdict")
        self.assertEqual([e["seq"] for e in lines if e["event"] == "record"], list(range(1, 50001)))
        self.assertIn("sink full: left", self.penstock.errors())


if __name__ == "__main__":
    penstock_test.main()

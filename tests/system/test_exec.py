# label: sanitize
"""Pipelines of processes: what a shell would give, and nothing left behind; a cut is never an end."""
import gzip
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import penstock_test
from penstock_test import BIN, PATIENCE, SANITIZED, until

NO_VALIDATOR = "&etag=none&modified=0"
QUICK = {
    "defaults.max_attempts": "1",
    "fetch.host_connections": "100",
    "fetch.resume_delay": "5ms",
    "parse.workers": "100",
}


def processes_of(mark):
    """The processes whose environment at their start holds the text, and their names."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            environment = pathlib.Path(f"/proc/{entry}/environ").read_bytes()
            if mark.encode() in environment:
                found[int(entry)] = pathlib.Path(f"/proc/{entry}/comm").read_text().strip()
        except OSError:
            pass  # it has ended
    return found


def pipes_of(pid):
    """Pipes, eventfds and the like: what is not a file or a connection that is kept for the next job."""
    found = 0
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            found += os.readlink(f"/proc/{pid}/fd/{entry}").startswith(("pipe:", "anon_inode:[eventfd]", "anon_inode:[signalfd]"))
        except OSError:
            pass
    return found


def open_files(pid):
    return sorted(int(n) for n in os.listdir(f"/proc/{pid}/fd"))


class Pipelines(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.mark = f"PENSTOCK_URL={self.web.base}"

    def tearDown(self):
        super().tearDown()
        until(lambda: not processes_of(self.mark), f"nothing is left behind: {processes_of(self.mark)}")

    def config(self, **parsers):
        """A parser is a list of stages, or a text of keys."""
        text = ""
        for name, stages in parsers.items():
            text += f'[parser "{name}"]\ntype = exec\n'
            text += "".join(f"stage = {s}\n" for s in stages) if isinstance(stages, (list, tuple)) else stages
        return self.wrote("penstockd.conf", text)

    def start(self, settings=None, **parsers):
        return self.daemon({**QUICK, **(settings or {})}, config=self.config(**parsers))

    def script(self, name, text):
        path = self.wrote(name, "#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def hosts(self):
        return [p for p, name in processes_of(self.mark).items() if name == "penstock-host"]

    def test_as_a_shell_does(self):
        daemon = self.start(top=["sed 's/[0-9]*$//'", "sort", "uniq -c"], total=["wc -c"], words=["tr ' ' '\\n'", "sort -u", "tail -n 3"])
        text = self.web.get("/lines?n=20000")
        for name, command in (("top", "sed 's/[0-9]*$//' | sort | uniq -c"), ("total", "wc -c"),
                              ("words", "tr ' ' '\\n' | sort -u | tail -n 3")):
            shell = subprocess.run(["sh", "-c", command], input=text, capture_output=True, env={**os.environ, "LANG": "C.UTF-8"}, check=True)
            verdict = daemon.job(self.web.url("/lines?n=20000"), parser=name)
            self.assert_verdict(verdict, "done", None, "length")
            self.assertEqual(daemon.records(verdict["job"]), shell.stdout.decode().splitlines())

    def test_output(self):
        daemon = self.start(text=["printf 'a\\n\\n\\\\377b\\r\\nlast'"], values="stage = cat\noutput = json\n",
                            broken="stage = printf '{}\\\\n{]\\\\n'\noutput = json\n",
                            zeros="stage = printf '{}\\\\n\\\\0\\\\0\\\\n'\noutput = json\n")
        job = daemon.submit(self.web.url("/bytes?n=10"), parser="text")
        verdict = daemon.verdict(job)
        self.assert_verdict(verdict, "done")
        self.assertEqual(verdict["replaced"], 1)
        self.assertEqual(daemon.records(job), ["a", "", "\ufffdb", "last"])
        job = daemon.submit(self.web.url("/ndjson?n=1000"), parser="values")
        self.assert_verdict(daemon.verdict(job), "done")
        self.assertEqual(daemon.records(job), [json.loads(l) for l in self.web.get("/ndjson?n=1000").splitlines()])
        for parser in ("broken", "zeros"):  # bytes of zero are no blanks
            verdict = daemon.job(self.web.url("/bytes?n=10"), parser=parser)
            self.assert_verdict(verdict, "failed", "parser_failed")
            self.assertIn("line 2", verdict["error"]["message"])

    def test_a_gibibyte(self):
        size = 1 << (26 if SANITIZED else 30)
        daemon = self.start(sum=["cat", "cat", "sha256sum"])
        job = daemon.submit(self.web.url(f"/bytes?n={size}"), parser="sum")
        digest = hashlib.sha256()
        block = self.web.get(f"/bytes?n={1 << 16}")
        for start in range(0, size, 1 << 16):
            # The generator's bytes repeat but for what each 64 KiB adds.
            add = ((start >> 16) * 57 + (start >> 24) * 101) & 255
            digest.update(block.translate(bytes((i + add) & 255 for i in range(256))))
        verdict = daemon.verdict(job, seconds=10 * penstock_test.DEADLINE)
        self.assert_verdict(verdict, "done", None, "length")
        self.assertEqual(verdict["bytes"], size)
        self.assertEqual(daemon.records(job), [digest.hexdigest() + "  -"])

    def test_an_early_exit_at_each_stage(self):
        """As `yes | head -1`: the download ends, the job is done."""
        daemon = self.start(first=["head -n 1", "cat", "cat"], second=["cat", "head -n 1", "cat"], third=["cat", "cat", "head -n 1"],
                            silent=["true"], shell=["sh -c 'cat; exit $?'", "head -n 1"])
        for name in ("first", "second", "third", "shell"):
            with self.subTest(stage=name):
                verdict = daemon.job(self.web.url(f"/lines?endless=1&id={name}"), parser=name)
                self.assert_verdict(verdict, "done", None, "enough")
                self.assertEqual(daemon.records(verdict["job"]), ["line 1"])
        self.assert_verdict(daemon.job(self.web.url("/lines?endless=1"), parser="silent"), "done", None, "enough")
        verdict = daemon.job(self.web.url("/bytes?n=3000000"), parser="silent",
                             digest="sha256:" + hashlib.sha256(self.web.get("/bytes?n=3000000")).hexdigest())
        self.assert_verdict(verdict, "done", None)
        self.assertEqual(verdict["bytes"], 3000000)
        verdict = daemon.job(self.web.url("/bytes?n=3000000"), parser="silent", digest="sha256:" + "0" * 64)
        self.assert_verdict(verdict, "failed", "digest_mismatch")

    def test_an_early_failure(self):
        daemon = self.start(second=["cat", "sh -c 'read x; echo no >&2; exit 7'", "cat"], python=["cat", "false"])
        verdict = daemon.job(self.web.url("/lines?endless=1"), parser="second")
        self.assert_verdict(verdict, "failed", "parser_failed")
        self.assertEqual(verdict["error"]["message"], "stage 2 (sh) exited with 7: no")
        self.assert_verdict(daemon.job(self.web.url("/lines?endless=1"), parser="python"), "failed", "parser_failed")

    def test_a_failed_stage_gives_no_end(self):
        """What is behind it must not take what it did not write for the end: a database would commit."""
        daemon = self.start(crash=["sh -c 'head -n 10; kill -SEGV $$'", "cat", f"sh -c 'cat >/dev/null; echo end >{self.dir}/$PENSTOCK_JOB.end'"],
                            fails=["sh -c 'head -n 10; exit 1'", f"sh -c 'cat >/dev/null; echo end >{self.dir}/$PENSTOCK_JOB.end'"],
                            well=["sh -c 'head -n 10; exit 0'", f"sh -c 'cat >/dev/null; echo end >{self.dir}/$PENSTOCK_JOB.end'"])
        for name, kind in (("crash", "parser_crashed"), ("fails", "parser_failed")) * 10:
            verdict = daemon.job(self.web.url("/lines?n=1000"), parser=name)
            self.assert_verdict(verdict, "failed", kind)
            self.assertIn("stage 1 (sh)", verdict["error"]["message"])
            self.assertFalse((self.dir / f"{verdict['job']}.end").exists())
        verdict = daemon.job(self.web.url("/lines?n=1000"), parser="well")
        self.assertEqual(verdict["state"], "done")
        self.assertTrue((self.dir / f"{verdict['job']}.end").exists())

    def test_crashes_and_commands(self):
        plain = self.wrote("plain", "not a program")
        daemon = self.start(segv=["sh -c 'kill -SEGV $$'"], unknown=["cat", "no-such-command-here -x"], plain=[f"{plain}"],
                            folder=[f"{self.dir}"], flood=["sh -c 'yes complaint | head -c 300000 >&2; echo the end >&2; exit 1'"])
        url = self.web.url("/lines?n=100000")
        verdict = daemon.job(url, parser="segv")
        self.assert_verdict(verdict, "failed", "parser_crashed")
        self.assertIn("signal 11", verdict["error"]["message"])
        for name, words in (("unknown", ("no-such-command-here", "not found", "/usr/bin")), ("plain", (str(plain), "Permission denied")),
                            ("folder", (str(self.dir), "Permission denied"))):
            with self.subTest(name=name):
                verdict = daemon.job(url, parser=name)
                self.assert_verdict(verdict, "failed", "exec_failed")
                for word in words:
                    self.assertIn(word, verdict["error"]["message"])
        verdict = daemon.job(url, parser="flood")
        self.assert_verdict(verdict, "failed", "parser_failed")
        self.assertTrue(verdict["error"]["message"].endswith("the end"), verdict)
        self.assertLess(len(verdict["error"]["message"]), 600)

    AWKWARD = {
        # name: stages, state and kind on a body that is whole
        "setsid": (["sh -c 'setsid sleep 1000 & exec cat'"], "done", None),
        "daemon": (["sh -c 'exec 3<&0; (sleep 1000 <&3 & ) ; exec cat'"], "done", None),
        "writes_on": (["sh -c 'setsid sh -c \"while :; do echo more; sleep 0.01; done\" & exec cat'"], "done", None),
        "hides": (["sh -c 'trap \"\" TERM INT HUP; setsid sh -c \"trap : TERM; sleep 1000; sleep 1000\" & exec cat'"], "done", None),
        "closes": (["sh -c 'exec >&- 2>&-; cat >/dev/null; exit 0'"], "done", None),
        "never_reads": (["sleep 1000"], "failed", "parser_timeout"),
        "never_exits": (["cat", "sh -c 'cat; exec sleep 1000'"], "failed", "parser_timeout"),
        "closes_and_lives": (["sh -c 'cat >/dev/null; exec sleep 1000 >&- 2>&-'"], "failed", "parser_timeout"),
        "busy": (["cat", "sh -c 'while :; do :; done'", "cat"], "failed", "parser_timeout"),
        "deaf": (["sh -c 'trap \"\" PIPE TERM; cat; setsid sleep 1000; sleep 1000'"], "failed", "parser_timeout"),
    }

    def test_awkward_stages(self):
        daemon = self.start(**{n: row[0] for n, row in self.AWKWARD.items()})
        before = pipes_of(daemon.pid)
        # A clock only where it is to run out: what is to end well may take its time.
        jobs = {n: daemon.submit(self.web.url("/lines?n=100"), parser=n, **({} if row[1] == "done" else {"parse_timeout": "600ms"}))
                for n, row in self.AWKWARD.items()}
        for name, job in jobs.items():
            with self.subTest(name=name):
                self.assert_verdict(daemon.verdict(job), *self.AWKWARD[name][1:])
        until(lambda: not processes_of(self.mark), "nothing is left behind")
        until(lambda: pipes_of(daemon.pid) == before, "no descriptor is left open")

    def test_awkward_stages_cancelled(self):
        """Each of them in the middle of its body, and one before it has begun."""
        daemon = self.start(**{n: row[0] for n, row in self.AWKWARD.items()})
        before = pipes_of(daemon.pid)
        jobs = [daemon.submit(self.web.url("/bytes?n=2M&hold=never&hold_at=200"), parser=n) for n in self.AWKWARD]
        for job in jobs:
            until(lambda job=job: daemon.call("show", {"id": job}).get("bytes") or daemon.state(job) == "running", "it runs")
        until(lambda: len(processes_of(self.mark)) > len(jobs), "processes run")
        daemon.call("cancel", {"ids": jobs})
        for name, job in zip(self.AWKWARD, jobs):
            with self.subTest(name=name):
                verdict = daemon.verdict(job)
                # `true`-like ones may have ended by themselves before
                self.assertIn(verdict["state"], ("cancelled",), verdict)
        until(lambda: not processes_of(self.mark), "nothing is left behind")
        until(lambda: pipes_of(daemon.pid) == before, "no descriptor is left open")

    def test_cancel_while_it_starts(self):
        """At any moment of the beginning."""
        daemon = self.start(long=["cat"] * 20)
        for delay in range(20):
            job = daemon.submit(self.web.url("/bytes?n=2M&hold=never&hold_at=200"), parser="long")
            until(lambda job=job: daemon.state(job) != "queued", "it starts")
            time.sleep(delay / 1000)
            daemon.call("cancel", {"ids": [job]})
            self.assertEqual(daemon.verdict(job)["state"], "cancelled")
        until(lambda: not processes_of(self.mark), "nothing is left behind")

    def test_stages_that_stop_their_host(self):
        """Once, or without end: the job ends and gives its worker back, and no stage meets an end of its input."""
        read = f"cat; echo end >{self.dir}/$PENSTOCK_JOB.end"
        daemon = self.start(once=[f"sh -c 'kill -STOP $PPID; echo up >&2; touch {self.dir}/$PENSTOCK_JOB.up; {read}'"],
                            often=[f"sh -c 'while :; do kill -STOP $PPID; touch {self.dir}/$PENSTOCK_JOB.up; done & {read}'"])
        for name in ("once", "often"):
            job = daemon.submit(self.web.url("/bytes?n=1M&stall=1000"), parser=name)
            until(lambda job=job: (self.dir / f"{job}.up").exists(), "the host is stopped")
            daemon.call("cancel", {"ids": [job]})
            self.assertEqual(daemon.verdict(job)["state"], "cancelled")
            until(lambda: not processes_of(self.mark), "nothing is left behind")
            until(lambda: daemon.call("stats")["workers"]["busy"] == 0, "the worker is back")
            self.assertEqual(daemon.call("stats")["workers"]["lost"], 0)
            self.assertFalse((self.dir / f"{job}.end").exists())

    def test_a_cut_is_never_an_end(self):
        """The last stage writes what it has read; after an end of file it would say so."""
        daemon = self.start(record=["cat", f"sh -c 'cat >>{self.dir}/$PENSTOCK_JOB.read; echo end >{self.dir}/$PENSTOCK_JOB.end'"])
        size = 300000
        jobs = []
        for framing in ("length", "chunked", "close"):
            for how in ("cut", "reset"):
                for place in (0, 1, 4096, 65536, 100000, size - 1):
                    path = f"/bytes?n={size}&framing={framing}&{how}={place}{NO_VALIDATOR}"
                    jobs.append((path, daemon.submit(self.web.url(path), parser="record")))
        for path, job in jobs:
            verdict = daemon.verdict(job)
            self.assertEqual(verdict["state"], "failed", f"{path}: {verdict}")
            self.assertIn(verdict["error"]["kind"], ("truncated", "unverified_end"), f"{path}: {verdict}")
            self.assertFalse((self.dir / f"{job}.end").exists(), path)
        job = daemon.submit(self.web.url(f"/bytes?n={size}"), parser="record")
        self.assert_verdict(daemon.verdict(job), "done", None, "length")
        self.assertTrue((self.dir / f"{job}.end").exists())
        self.assertEqual((self.dir / f"{job}.read").read_bytes(), self.web.get(f"/bytes?n={size}"))

    def test_a_resume_is_not_noticed(self):
        daemon = self.start(sum=["sha256sum"])
        whole = self.web.get("/bytes?n=1000000")
        verdict = daemon.job(self.web.url("/bytes?n=1000000&id=again&cut=300000"), parser="sum")
        self.assert_verdict(verdict, "done", None, "length")
        self.assertGreater(verdict["resumes"], 1)
        self.assertEqual(daemon.records(verdict["job"]), [hashlib.sha256(whole).hexdigest() + "  -"])

    def test_the_clock_of_a_pipeline(self):
        """What the origin takes is not its stages' time."""
        limit = 4 if SANITIZED else 3
        daemon = self.start({"defaults.parse_timeout": f"{limit}s"}, size=["cat", "wc -c"])
        verdict = daemon.job(self.web.url(f"/bytes?n=3000&drip={125 * limit},250"), parser="size")
        self.assert_verdict(verdict, "done", None, "length")
        self.assertEqual(daemon.records(verdict["job"]), ["3000"])
        self.assertGreater(verdict["seconds"]["total"], limit)
        self.assertGreater(verdict["seconds"]["wait_origin"], 0.5)

    def test_encoded_bodies(self):
        """What the origin has encoded is decoded before the first stage; a file that is compressed only if told."""
        daemon = self.start(sum=["sha256sum"], record=[f"sh -c 'cat >{self.dir}/$PENSTOCK_JOB.read; echo end >{self.dir}/$PENSTOCK_JOB.end'"],
                            head=["head -n 1"], deaf=["sleep 1000"])
        plain = self.web.get("/lines?n=200000")
        digest = hashlib.sha256(plain).hexdigest() + "  -"
        for path, verified in (("/lines?n=200000&gzip=1", "length"), ("/lines?n=200000&gzip=2", "length"),
                               ("/lines?n=200000&gzip=1&framing=chunked", "chunked"), ("/lines?n=200000&gzip=1&framing=close", "encoding")):
            with self.subTest(path=path):
                verdict = daemon.job(self.web.url(path), parser="sum")
                self.assert_verdict(verdict, "done", None, verified)
                self.assertEqual(daemon.records(verdict["job"]), [digest])
                self.assertEqual(verdict["decoded_bytes"], len(plain))
        size = len(self.web.get("/lines?n=200000&gzip=1"))
        for path, kinds in (("gzip=crc", ("decode_error",)), (f"gzip=1&cut={size // 2}", ("truncated",)), (f"gzip=1&cut={size - 1}", ("truncated",)),
                            (f"gzip=1&framing=close&cut={size // 2}", ("truncated",)),
                            (f"gzip=1&framing=close&cut={size - 3}", ("truncated",))):
            with self.subTest(path=path):
                verdict = daemon.job(self.web.url(f"/lines?n=200000&{path}{NO_VALIDATOR}"), parser="record")
                self.assertEqual(verdict["state"], "failed", verdict)
                self.assertIn(verdict["error"]["kind"], kinds, verdict)
                self.assertFalse((self.dir / f"{verdict['job']}.end").exists())
        for wanted in ({}, {"digest": "sha256"}):
            verdict = daemon.job(self.web.url("/lines?n=3000000&gzip=1&framing=chunked"), parser="head", **wanted)
            self.assert_verdict(verdict, "done", None, "enough")
            self.assertEqual(daemon.records(verdict["job"]), ["line 1"])
        job = daemon.submit(self.web.url("/lines?n=3000000&gzip=1&framing=chunked"), parser="deaf")
        until(lambda: "sleep" in processes_of(self.mark).values(), "it runs")
        daemon.call("cancel", {"ids": [job]})
        self.assert_verdict(daemon.verdict(job), "cancelled")

    def test_compressed_files(self):
        packed = gzip.compress(b"some text\n" * 1000)
        self.wrote("text.gz", packed)
        web = self.origin("--root", self.dir)
        daemon = self.start(sum=["sha256sum"], text="stage = zcat\nstage = head -n 1\n")
        for decode, data in ({}, packed), ({"decode": "gzip"}, b"some text\n" * 1000), ({"decode": "none"}, packed):
            verdict = daemon.job(web.url("/file/text.gz"), parser="sum", **decode)
            self.assert_verdict(verdict, "done", None, "length")
            self.assertEqual(daemon.records(verdict["job"]), [hashlib.sha256(data).hexdigest() + "  -"])
        self.assertEqual(daemon.records(daemon.job(web.url("/file/text.gz"), parser="text")["job"]), ["some text"])
        self.assert_verdict(daemon.job(web.url("/lines?n=10"), parser="sum", decode="gzip"), "failed", "decode_error")
        # A file that nobody here decodes vouches for no end; at once, and with the remedy.
        closed = web.url("/file/text.gz?framing=close")
        verdict = daemon.job(closed, parser="sum")
        self.assert_verdict(verdict, "failed", "unverified_end")
        self.assertEqual(verdict["attempt"], 1)
        self.assertIn("decode = gzip", verdict["error"]["message"])
        self.assert_verdict(daemon.job(closed, parser="sum", decode="gzip"), "done", None, "encoding")
        self.assert_verdict(daemon.job(closed, parser="sum", unverified="accept"), "done", None, "none")

    def test_descriptors_of_64_at_once(self):
        daemon = self.start(wait=["cat", "cat"])
        jobs = [daemon.submit(self.web.url(f"/lines?n=3000&hold=all&hold_at={1000 + i}"), parser="wait") for i in range(64)]
        stages = until(lambda: [p for p, name in processes_of(self.mark).items() if name == "cat"], "stages")
        stages = until(lambda: (s := [p for p, name in processes_of(self.mark).items() if name == "cat"]) and len(s) == 128 and s,
                       "128 stages run", 60 * PATIENCE)
        for pid in stages:
            until(lambda: open_files(pid) == [0, 1, 2], "a stage has three descriptors (its loader may have a library open)")
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            for mask in ("SigBlk", "SigIgn"):
                # 32 and 33 are glibc's own, and as they were inherited from who started the test.
                self.assertEqual(int(re.search(rf"{mask}:\s(\w+)", status).group(1), 16) & ~(3 << 31), 0)
            self.assertIn("NoNewPrivs:\t1", status)
        self.assertEqual(len(self.hosts()), 64)
        for pid in self.hosts():
            # Its signalfd, the pipe between the stages until the first has ended well, and two for looking into /proc.
            self.assertEqual((open_files(pid)[:8], len(open_files(pid))), ([0, 1, 2, 3, 4, 5, 6, 7], 9))
        self.web.release("all")
        for job in jobs:
            self.assert_verdict(daemon.verdict(job), "done", None, "length")
            self.assertEqual(len(daemon.records(job)), 3000)

    def test_the_daemon_is_killed(self):
        """SIGKILL in the middle of 50 sorts: nobody counts a part, nobody lives on."""
        rounds = 1 if SANITIZED else 4
        for turn in range(rounds):
            where = self.dir / f"turn{turn}"
            where.mkdir()
            daemon = self.start(total=["sort", f"sh -c 'wc -l >{where}/$PENSTOCK_JOB.part && mv {where}/$PENSTOCK_JOB.part {where}/$PENSTOCK_JOB'"],
                                escapes=["sh -c 'exec 3<&0; setsid sort <&3 & wait'", f"sh -c 'wc -l >{where}/$PENSTOCK_JOB'"])
            for i in range(50):
                daemon.submit(self.web.url(f"/lines?n=50000&hold=never&hold_at={1000 * i + 1}"), parser="escapes" if i % 5 == 0 else "total")
            until(lambda: sum(name == "sort" for name in processes_of(self.mark).values()) == 50, "50 sorts run", 60 * PATIENCE)
            self.assertEqual([p.name for p in where.iterdir() if p.suffix != ".part" and p.stat().st_size], [])
            daemon.signal(signal.SIGKILL)
            self.assertEqual(daemon.exit_status(), -signal.SIGKILL)
            until(lambda: not processes_of(self.mark), "all of them end")
            self.assertEqual([p.name for p in where.iterdir() if p.stat().st_size], [])

    def test_a_host_is_killed(self):
        """Then the daemon cleans up after it, before anything can read an end."""
        daemon = self.start(total=["cat", f"sh -c 'cat >/dev/null; echo end >{self.dir}/$PENSTOCK_JOB.end'"],
                            escapes=["cat", f"setsid -f setsid sh -c 'cat >/dev/null; echo end >{self.dir}/$PENSTOCK_JOB.end'",
                                     "sleep 1000"])
        others = daemon.submit(self.web.url("/lines?n=50000&hold=later&hold_at=1000"), parser="total")
        # A stage that is not yet its command has the host's name.
        until(lambda: sum(n == "cat" for n in processes_of(self.mark).values()) == 2, "its stages run")
        spared = set(self.hosts())
        for name in ("total", "escapes") * 5:
            job = daemon.submit(self.web.url("/lines?n=50000&hold=never&hold_at=1000"), parser=name)
            until(lambda: sum(n == "cat" for n in processes_of(self.mark).values()) == 4, "its stages run")
            until(lambda: len(self.hosts()) == 2, "one more host")
            os.kill((set(self.hosts()) - spared).pop(), signal.SIGKILL)
            verdict = daemon.verdict(job)
            self.assert_verdict(verdict, "failed", "parser_crashed")
            self.assertIn("penstock-host was killed by signal 9", verdict["error"]["message"])
            self.assertFalse((self.dir / f"{job}.end").exists())
            self.assertEqual(set(self.hosts()), spared)
        self.web.release("later")
        self.assert_verdict(daemon.verdict(others), "done", None, "length")
        self.assertTrue((self.dir / f"{others}.end").exists())

    def test_signals_to_all(self):
        """SIGTERM to a host is nothing: only the daemon ends it."""
        daemon = self.start(wait=["cat"])
        job = daemon.submit(self.web.url("/lines?n=1000&hold=some&hold_at=1000"), parser="wait")
        until(lambda: "cat" in processes_of(self.mark).values(), "its stage runs")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(self.hosts()[0], number)
        self.web.release("some")
        self.assert_verdict(daemon.verdict(job), "done", None, "length")

    def test_environment_and_limits(self):
        limits = "cpu_time = 1s\nfile_size = 8K\nopen_files = 32\n"
        daemon = self.start({"policy.redact": "id"}, env=["env"], pwd=["sh -c 'ulimit -n; ulimit -c'"], cpu="stage = sh -c 'while :; do :; done'\n" + limits,
                            file=f"stage = sh -c 'yes > {self.dir}/big'\n" + limits, files="stage = sh -c 'ulimit -n'\n" + limits,
                            memory="stage = python3 -c 'x = [bytearray(1 << 20) for i in range(4000)]'\nmemory = 200M\n")
        job = daemon.submit(self.web.url("/bytes?n=10&id=secret"), parser="env")
        self.assert_verdict(daemon.verdict(job), "done")
        found = dict(line.split("=", 1) for line in daemon.records(job))
        self.assertEqual(set(found) - {"HOME", "PWD", "SHLVL", "_"},
                         {"PATH", "LANG", "PENSTOCK_JOB", "PENSTOCK_URL", "PENSTOCK_ATTEMPT"})
        self.assertEqual((found["PENSTOCK_JOB"], found["PENSTOCK_ATTEMPT"], found["LANG"]), (str(job), "1", "C.UTF-8"))
        self.assertEqual(found["PENSTOCK_URL"], self.web.url("/bytes?n=10&id=***"))
        job = daemon.submit(self.web.url("/bytes?n=10"), parser="files")
        self.assert_verdict(daemon.verdict(job), "done")
        self.assertEqual(daemon.records(job), ["32"])
        job = daemon.submit(self.web.url("/bytes?n=10"), parser="pwd")
        self.assert_verdict(daemon.verdict(job), "done")
        self.assertEqual(daemon.records(job)[0], subprocess.run(["sh", "-c", "ulimit -n"], capture_output=True, text=True).stdout.strip())
        for name in ("cpu", "file", "memory"):
            verdict = daemon.job(self.web.url("/bytes?n=10"), parser=name)
            self.assert_verdict(verdict, "failed", "limit_exceeded")

    def test_long_lines(self):
        daemon = self.start({"parse.max_record": "64K"}, cat=["cat"])
        verdict = daemon.job(self.web.url("/zeros?n=1M"), parser="cat")
        self.assert_verdict(verdict, "failed", "limit_exceeded")
        self.assertIn("parse.max_record", verdict["error"]["message"])

    def test_the_drain_and_the_second_stop(self):
        daemon = self.start({"daemon.drain": "60s"}, wait=["cat"])
        daemon.submit(self.web.url("/lines?n=1000&hold=never&hold_at=1000"), parser="wait")
        until(lambda: "cat" in processes_of(self.mark).values(), "its stage runs")
        daemon.signal(signal.SIGTERM)
        until(lambda: "no new jobs" in daemon.errors(), "it drains")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.exit_status(), 0, daemon.errors())
        self.assertFalse(processes_of(self.mark))

    def test_in_the_foreground(self):
        config = self.config(total=["sort", "wc -l"], bad=["sh -c 'cat >/dev/null; exit 3'"])
        path = self.wrote("input", "x\n" * 100000)

        def parse(*options):
            done = penstock_test.run(BIN / "penstockd", "--config", config, "--parse", *options, path)
            return done.returncode, [json.loads(l) for l in done.stdout.splitlines()]
        status, lines = parse("total")
        self.assertEqual((status, [l["data"] for l in lines[:-1]], lines[-1]["state"]), (0, ["100000"], "done"))
        for cut in (0, 1, 70000, 199999):
            status, lines = parse("total", "--cut", str(cut))
            self.assertEqual((status, len(lines), lines[-1]["error"]["kind"]), (1, 1, "truncated"))
        status, lines = parse("bad")
        self.assertEqual((status, lines[-1]["error"]["kind"]), (1, "parser_failed"))


class Config(penstock_test.Case):
    def check(self, text):
        return penstock_test.run(BIN / "penstockd", "--config", self.wrote("c.conf", text), "--check")

    def test_stages_are_checked(self):
        for stage, words in (("cat | wc", "`stage =` line"), ("cat > file", "sh -c"), ("a && b", "sh -c"), ("a; b", "sh -c"), ("a &", "sh -c"),
                             ("a 'b", "not closed"), ('a "b', "not closed"), ("a \\", "stands at its end"), ("a \\q", "escape"), ("''", "no command")):
            with self.subTest(stage=stage):
                done = self.check(f'[parser "x"]\ntype = exec\nstage = {stage}\n')
                self.assertEqual(done.returncode, 1)
                self.assertIn('c.conf:1: parser "x": stage: ', done.stderr)
                self.assertIn(words, done.stderr)

    def test_what_will_do(self):
        for stage in ("cat", "/bin/sh -c 'a | b > c && d; e'", "grep -E \"a|b\"", "tr \\| x", "awk '{ print $1 % 3 }'"):
            with self.subTest(stage=stage):
                done = self.check(f'[parser "x"]\ntype = exec\nstage = {stage}\nmemory = 1G\ncpu_time = 10s\n')
                self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    penstock_test.main()

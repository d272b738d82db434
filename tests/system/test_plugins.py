# label: sanitize
"""Plug-ins, built outside the tree against what is installed: they work, they are closed in, and whatever they do
wrong costs their own job only."""
import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import tempfile

import penstock_test
from penstock_test import BIN, SANITIZED, until
from test_exec import NO_VALIDATOR, QUICK, open_files, processes_of

HERE = pathlib.Path(__file__).resolve().parent
PENSTOCKD = BIN / "penstockd"
built = {}


def build():
    """The directory of the plug-ins, made once."""
    if "plugins" in built:
        return built["plugins"]
    where = pathlib.Path(tempfile.mkdtemp(prefix="penstock-plugins."))
    built["where"] = where
    where.chmod(0o755)
    for command in (*(["cmake", "--install", BIN.parent, "--component", component, "--prefix", where / "prefix"]
                      for component in ("Library", "Development")),
                    ["cmake", "-S", HERE / "plugins", "-B", where / "build", f"-DCMAKE_PREFIX_PATH={where}/prefix",
                     f"-DCMAKE_INSTALL_PREFIX={where}/prefix"],
                    ["cmake", "--build", where / "build"], ["cmake", "--install", where / "build"]):
        penstock_test.run(*command, check=0, seconds=10 * penstock_test.DEADLINE)
    built["prefix"] = where / "prefix"
    built["plugins"] = next((where / "prefix").rglob("parsers"))
    for path in built["plugins"].rglob("*"):
        path.chmod(0o755)
    return built["plugins"]


def a_capture(count):
    """A pcap file of so many packets, and what is in it."""
    data = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
    packets = []
    for i in range(count):
        body = bytes(i % 251 for _ in range(20 + i * 7 % 1400))
        data += struct.pack("<IIII", 1700000000 + i, i % 1000000, len(body), len(body)) + body
        packets.append({"time": 1700000000 + i + i % 1000000 / 1e6, "length": len(body)})
    return data, packets


class Plugins(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.plugins = build()
        self.web = self.origin("--root", self.dir)
        self.mark = f"PENSTOCK_URL={self.web.base}"

    def tearDown(self):
        super().tearDown()
        until(lambda: not processes_of(self.mark), "nothing is left behind")

    def start(self, config="", **settings):
        return self.daemon({**QUICK, "parse.plugin_dir": self.plugins, **settings}, config=self.wrote("c.conf", config))

    def needs(self, name):
        if not (self.plugins / f"{name}.so").exists():
            self.skipTest(f"what {name} is built with is not installed")

    def test_pcap(self):
        self.needs("pcap")
        data, packets = a_capture(5000)
        self.wrote("capture.pcap", data)
        daemon = self.start('[parser "big"]\ntype = pcap\noption.least = 1000\n[parser "here"]\ntype = pcap\nisolation = thread\n')
        for parser, wanted in (("pcap", packets), ("here", packets), ("big", [p for p in packets if p["length"] >= 1000])):
            verdict = daemon.job(self.web.url("/file/capture.pcap"), parser=parser)
            self.assert_verdict(verdict, "done", None, "length")
            self.assertEqual(daemon.records(verdict["job"]), wanted)
        for parser in ("pcap", "here"):
            # Cut where a packet ends: to libpcap that is a good end.
            cut = 24 + 16 + 20
            verdict = daemon.job(self.web.url(f"/file/capture.pcap?cut={cut}{NO_VALIDATOR}"), parser=parser)
            self.assert_verdict(verdict, "failed", "truncated")
        verdict = daemon.job(self.web.url("/bytes?n=100000"), parser="pcap")
        self.assert_verdict(verdict, "failed", "parser_failed")
        self.assertIn("unknown file format", verdict["error"]["message"])
        verdict = daemon.job(self.web.url("/file/capture.pcap"), parser="pcap", options={"least": "x"})
        self.assert_verdict(verdict, "failed", "parser_failed")
        self.assertIn("'x' is not a number", verdict["error"]["message"])
        self.assertIn("no such option", daemon.rpc().fail("submit", {"url": self.web.url("/"), "parser": "pcap", "options": {"y": "1"}})["message"])

    def test_flex(self):
        self.needs("scan")
        daemon = self.start()
        text = self.web.get("/lines?n=5000").decode()
        verdict = daemon.job(self.web.url("/lines?n=5000"), parser="scan")
        self.assert_verdict(verdict, "done", None, "length")
        self.assertEqual(daemon.records(verdict["job"]), [{"words": len(re.findall("[A-Za-z]+", text)), "numbers": len(re.findall("[0-9]+", text))}])
        # The scanner calls exit() when a read fails: the job fails, and only it.
        daemon = self.start('[parser "scan"]\non_abort = error\n')
        self.assert_verdict(daemon.job(self.web.url("/lines?n=5000&cut=30000" + NO_VALIDATOR), parser="scan"), "failed", "truncated")
        self.assert_verdict(daemon.job(self.web.url("/lines?n=5000"), parser="scan"), "done")

    def test_an_old_function(self):
        daemon = self.start()
        verdict = daemon.job(self.web.url("/lines?n=3000"), parser="old")
        self.assert_verdict(verdict, "done", None, "length")
        self.assertEqual(daemon.records(verdict["job"]), [f"{i}: line {i}" for i in range(1, 3001)] + ["3000 lines"])
        self.wrote("bad", "good\nbad\n")
        verdict = daemon.job(self.web.url("/file/bad"), parser="old")
        self.assert_verdict(verdict, "failed", "parser_failed")
        self.assertIn("line 2 is bad", verdict["error"]["message"])
        for config in ("", '[parser "old"]\non_abort = error\n'):
            # It prints a total after a read error as well; but nobody takes it.
            daemon = self.start(config)
            verdict = daemon.job(self.web.url("/lines?n=3000&cut=20000" + NO_VALIDATOR), parser="old")
            self.assert_verdict(verdict, "failed", "truncated")
            self.assertNotIn("lines", "".join(r.partition(":")[0] for r in daemon.records(verdict["job"])))

    def wicked(self, daemon, what, path="/lines?n=1000", parser="wicked", **job):
        return daemon.job(self.web.url(path), parser=parser, options={"do": what}, **job)

    def test_text(self):
        """Any charset, on a thread, behind the sandbox, and under --parse; and a file as it was published."""
        daemon = self.start('[parser "here"]\ntype = letters\nisolation = thread\n')
        # The declared charset is known only once the sandbox is closed.
        data = "<?xml version='1.0' encoding='koi8-r'?>\nПривет\tмир\n".encode("koi8-r")
        self.wrote("text", data)
        wanted = ["<?xml version='1.0' encoding='koi8-r'?>", "Привет мир", "koi8-r"]
        for parser in ("letters", "here"):
            verdict = daemon.job(self.web.url("/file/text"), parser=parser)
            self.assert_verdict(verdict, "done")
            self.assertEqual((verdict["charset"], verdict["repaired"], verdict.get("replaced")), ("koi8-r", 1, None))
            self.assertEqual(daemon.records(verdict["job"]), wanted)
        done = penstock_test.run(PENSTOCKD, "--config", "/dev/null", "--parse", "letters", "--plugin", self.plugins / "letters.so",
                                 self.dir / "text", check=0)
        self.assertIn('"repaired":1', done.stdout)
        self.wrote("text.gz", gzip.compress(b"text"))
        verdict = daemon.job(self.web.url("/file/text.gz"), parser="letters", charset_errors="replace")
        self.assertNotIn("decoded_bytes", verdict)
        self.assertGreater(verdict["replaced"], 0)

    def test_what_it_may_know(self):
        daemon = self.start()
        verdict = daemon.job(self.web.url("/lines?n=1000"), parser="wicked", options={"do": "facts"}, labels={"who": "me"})
        self.assert_verdict(verdict, "done")
        self.assertEqual(daemon.records(verdict["job"]), [{"url": self.web.url("/lines?n=1000"), "status": 200, "type": "text/plain",
                                                           "label": "me", "do": "facts"}])

    def test_whatever_it_does_wrong(self):
        daemon = self.start()
        for what, kind, words in (("segv", "parser_crashed", "signal 11"), ("abort", "parser_crashed", "signal 6"),
                                  ("exit", "parser_crashed", "instead of returning"), ("loop", "parser_timeout", "parse_timeout"),
                                  ("json", "parser_failed", "not one JSON value"), ("long", "limit_exceeded", "parse.max_record"),
                                  ("result", "parser_failed", "77"), ("raw", "limit_exceeded", "max_record"),
                                  ("rawjson", "parser_failed", "not one JSON value"), ("fail", "parser_failed", "it does not please me: more of it"),
                                  ("nothing", "parser_failed", "no reason")):
            with self.subTest(what=what):
                if SANITIZED and what == "segv":
                    continue  # the sanitizer's own handler ends the process
                verdict = self.wicked(daemon, what, **({"parse_timeout": "500ms"} if what == "loop" else {}))
                self.assert_verdict(verdict, "failed", kind)
                self.assertIn(words, verdict["error"]["message"])
                self.assertEqual(daemon.records(verdict["job"]), [])
        self.assertTrue(daemon.alive())
        self.assert_verdict(self.wicked(daemon, "count"), "done", None, "length")

    def test_shared_memory(self):
        """What a process shares with its host is its word: numbers that cannot be fail the job, and no verdict has them."""
        daemon = self.start()
        verdict = self.wicked(daemon, "forge")
        self.assert_verdict(verdict, "failed", "parser_crashed")
        self.assertIn("decoded_bytes` cannot be", verdict["error"]["message"])
        self.assertNotIn("decoded_bytes", verdict)
        daemon.call("wait", {"ids": [verdict["job"]]})  # the line is written before the store is told
        told = daemon.call("show", {"id": verdict["job"]})
        self.assertEqual((told["state"], told["verdict"]["error"]), ("failed", verdict["error"]))

    def test_a_memory_hog(self):
        if SANITIZED:
            self.skipTest("a sanitizer takes more address space than any limit")
        daemon = self.start('[parser "wicked"]\nmemory = 300M\n')
        self.assert_verdict(self.wicked(daemon, "hog"), "failed", "limit_exceeded")
        self.assert_verdict(self.wicked(daemon, "count"), "done", None, "length")

    def test_the_sandbox(self):
        daemon = self.start('[parser "free"]\ntype = wicked\nsandbox = off\n')
        closed = {"setup": "allowed", "fstat": "allowed", "thread": "allowed", "memory": "allowed"}
        for parser, forbidden in (("wicked", "EPERM"), ("free", "allowed")):
            job = daemon.submit(self.web.url("/lines?n=10"), parser=parser, options={"do": "try"})
            daemon.verdict(job)
            found = {k: v for record in daemon.records(job) for k, v in record.items()}
            names = ("open", "create", "stat", "stat_at", "unlink", "socket", "unix", "ptrace", "kill", "exec", "fork")
            if parser == "free":
                # exec goes well, and the program that follows says nothing.
                self.assertEqual({n: found[n] for n in ("open", "stat", "socket", "unix", "kill")},
                                 dict.fromkeys(("open", "stat", "socket", "unix", "kill"), forbidden))
                self.assertNotIn("exec", found)
            else:
                self.assertEqual(found, {**dict.fromkeys(names, forbidden), **closed})
        pathlib.Path("/tmp/penstock-wicked").unlink(missing_ok=True)

    def test_its_process(self):
        daemon = self.start('[parser "rows"]\ntype = csv\nisolation = process\n')
        jobs = [daemon.submit(self.web.url("/csv?n=2000&hold=on&hold_at=2000"), parser=p) for p in ("wicked", "rows", "old")]
        runners = until(lambda: (r := [p for p in processes_of(self.mark) if parent_name(p) == "penstock-host"
                                       and seccomp_of(p) == 2]) and len(r) == 3 and r, "three closed in")
        for pid in runners:
            self.assertIn(open_files(pid), ([0, 1, 2, 3], [0, 1, 2]))
        self.web.release("on")
        for job in jobs:
            self.assert_verdict(daemon.verdict(job), "done", None, "length")
        plain = daemon.job(self.web.url("/csv?n=2000"), parser="csv")
        self.assertEqual(daemon.records(jobs[1]), daemon.records(plain["job"]))

    def test_an_aborted_body(self):
        """By default it is killed; with on_abort = error it has EIO, some time, and nobody who listens."""
        keys = "sandbox = off\n"
        daemon = self.start(f'[parser "killed"]\ntype = wicked\n{keys}[parser "told"]\ntype = wicked\non_abort = error\n{keys}')
        for parser in ("killed", "told"):
            path = self.dir / parser
            options = {"do": "witness", "file": str(path)}
            verdict = daemon.job(self.web.url("/lines?n=5000&cut=3000" + NO_VALIDATOR), parser=parser, options=options)
            self.assert_verdict(verdict, "failed", "truncated")
            self.assertEqual(path.exists(), parser == "told")
            if parser == "told":
                self.assertEqual(path.read_text(), "EIO, cancelled, emit gives ECANCELED\n")
                path.unlink()
            job = daemon.submit(self.web.url("/lines?n=5000&hold=never&hold_at=3000"), parser=parser, options=options)
            until(lambda: any(parent_name(p) == "penstock-host" for p in processes_of(self.mark)), "it runs")
            daemon.call("cancel", {"ids": [job]})
            self.assert_verdict(daemon.verdict(job), "cancelled")
            until(lambda: not processes_of(self.mark), "it is gone")
        daemon = self.start('[parser "deaf"]\ntype = wicked\non_abort = error\ngrace = 200ms\n')
        job = daemon.submit(self.web.url("/lines?n=5000"), parser="deaf", options={"do": "loop"})
        until(lambda: any(parent_name(p) == "penstock-host" for p in processes_of(self.mark)), "it runs")
        daemon.call("cancel", {"ids": [job]})
        self.assert_verdict(daemon.verdict(job), "cancelled")

    def test_encoded_bodies(self):
        daemon = self.start()
        wanted = len(self.web.get("/lines?n=5000"))
        for path, state, kind, verified in (("/lines?n=5000&gzip=1", "done", None, "length"),
                                            ("/lines?n=5000&gzip=1&framing=close", "done", None, "encoding"),
                                            ("/lines?n=5000&gzip=crc", "failed", "decode_error", None),
                                            ("/lines?n=5000&framing=close", "failed", "unverified_end", None)):
            with self.subTest(path=path):
                verdict = self.wicked(daemon, "count", path + NO_VALIDATOR)
                self.assert_verdict(verdict, state, kind, verified)
                if state == "done":
                    self.assertEqual(daemon.records(verdict["job"]), [{"count": f"end after {wanted}"}])
                    self.assertEqual(verdict["decoded_bytes"], wanted)

    def test_the_daemon_is_killed(self):
        daemon = self.start('[parser "told"]\ntype = wicked\non_abort = error\nsandbox = off\n')
        path = self.dir / "witness"
        for parser in ("wicked", "told", "old"):
            for _ in range(5):
                daemon.submit(self.web.url("/lines?n=5000&hold=never&hold_at=3000"), parser=parser,
                              options={} if parser == "old" else {"do": "witness", "file": str(path)})
        until(lambda: sum(parent_name(p) == "penstock-host" for p in processes_of(self.mark)) == 15, "they run")
        daemon.signal(signal.SIGKILL)
        self.assertEqual(daemon.exit_status(), -signal.SIGKILL)
        until(lambda: not processes_of(self.mark), "all of them end")
        self.assertFalse(path.exists() and "end," in path.read_text())

    def test_in_the_foreground(self):
        path = self.wrote("input", "one\ntwo\n")
        done = penstock_test.run(PENSTOCKD, "--parse", "old", "--plugin", self.plugins / "old.so", path, check=0)
        lines = [json.loads(l) for l in done.stdout.splitlines()]
        self.assertEqual([l.get("data", l.get("state")) for l in lines], ["1: one", "2: two", "2 lines", "done"])
        done = penstock_test.run(PENSTOCKD, "--parse", "old", "--plugin", self.plugins / "old.so", "--cut", "5", path, check=1)
        self.assertIn("truncated", done.stdout)
        done = penstock_test.run(PENSTOCKD, "--parse", "old", "--plugin", path, path)
        self.assertEqual(done.returncode, 2)
        self.assertIn(str(path), done.stderr)


class Faults(penstock_test.Case):
    """What cannot be used is told by name, and stops nothing."""

    def setUp(self):
        super().setUp()
        self.good = build()
        self.plugins = self.dir / "plugins"
        self.plugins.mkdir(mode=0o755)
        self.dir.chmod(0o755)

    def compiled(self, name, text):
        source = self.wrote(f"{name}.c", "#include <penstock/parser.h>\n" + text)
        flags = subprocess.run(["pkg-config", "--cflags", "penstock"], capture_output=True, text=True, check=True,
                               env={**os.environ, "PKG_CONFIG_PATH": str(next(built["prefix"].rglob("pkgconfig")))}).stdout.split()
        penstock_test.run("cc", "-shared", "-fPIC", *flags, "-o", self.plugins / f"{name}.so", source, check=0)
        (self.plugins / f"{name}.so").chmod(0o755)

    def test_each_has_its_sentence(self):
        body = "static int p(FILE *f, struct penstock_run *r) { (void)f; (void)r; return 0; }\n"
        struct_of = "const struct penstock_parser penstock_plugin = {%s, %s, %s, %s, 0, 0, 0, %s, 0};\n"
        size = "sizeof(struct penstock_parser)"
        self.compiled("abi", body + struct_of % ("99", size, '"abi"', '"a summary"', "p"))
        self.compiled("size", body + struct_of % ("1", "8", '"size"', '"a summary"', "p"))
        self.compiled("name", body + struct_of % ("1", size, '"Not a name"', '"a summary"', "p"))
        self.compiled("noparse", body + struct_of % ("1", size, '"noparse"', '"a summary"', "0") + "void *used = p;\n")
        self.compiled("taken", body + struct_of % ("1", size, '"csv"', '"a summary"', "p"))
        self.compiled("symbol", "int x;\n")
        self.compiled("undefined", body + "extern void nowhere(void); void q(void) { nowhere(); }\n" + struct_of % ("1", size, '"undefined"', '"s"', "p"))
        self.compiled("crashes", body + "__attribute__((constructor)) static void c(void) { __builtin_trap(); }\n" + struct_of % ("1", size, '"crashes"', '"s"', "p"))
        self.compiled("writable", body + struct_of % ("1", size, '"writable"', '"a summary"', "p"))
        self.compiled("fine", body + struct_of % ("1", size, '"fine"', '"a summary"', "p"))
        (self.plugins / "writable.so").chmod(0o775)
        (self.plugins / "text.so").write_text("not an object")
        shutil.copy(self.plugins / "fine.so", self.plugins / "second.so")
        wanted = {"abi": "version 99", "size": "size", "name": "Not a name", "noparse": "no parse function", "taken": "csv", "symbol": "penstock_plugin",
                  "undefined": "nowhere", "crashes": "signal", "writable": "written by others", "text": "cannot be loaded", "second": "fine.so"}
        config = self.wrote("c.conf", f'[parse]\nplugin_dir = {self.plugins}\n[parser "mine"]\ntype = abi\n[defaults]\nparser = mine\n')
        done = penstock_test.run(PENSTOCKD, "--config", config, "--check")
        self.assertEqual(done.returncode, 1)
        for name, words in wanted.items():
            line = next((l for l in done.stderr.splitlines() if f"/{name}.so:" in l), "")
            self.assertIn(words, line, f"{name}: {done.stderr}")
        self.assertEqual(len(done.stderr.splitlines()), len(wanted), done.stderr)

        daemon = self.daemon(config=config)
        answer = daemon.call("parsers")
        self.assertEqual({pathlib.Path(f["file"]).stem for f in answer["faults"]}, set(wanted))
        self.assertIn("fine", [p["name"] for p in answer["parsers"]])
        with daemon.rpc() as rpc:
            for name in ("abi", "mine"):
                message = rpc.fail("submit", {"url": "http://127.0.0.1:1/", "parser": name})["message"]
                self.assertIn("version 99", message)
        self.assertIn("version 99", daemon.errors())

    def test_a_folder_that_others_may_write(self):
        shutil.copy(self.good / "old.so", self.plugins / "old.so")
        self.plugins.chmod(0o777)
        done = penstock_test.run(PENSTOCKD, "--config", "/dev/null", "--set", f"parse.plugin_dir={self.plugins}", "--check", check=1)
        self.assertIn("its directory may be written by others", done.stderr)

    def test_threads_are_for_those_that_emit(self):
        config = self.wrote("c.conf", f'[parse]\nplugin_dir = {self.good}\n[parser "old"]\nisolation = thread\n')
        done = penstock_test.run(PENSTOCKD, "--config", config, "--check", check=1)
        self.assertIn("isolation = thread", done.stderr)

    def test_the_daemon_loads_none(self):
        daemon = self.daemon({"parse.plugin_dir": self.good})
        self.assertIn("wicked", [p["name"] for p in daemon.call("parsers")["parsers"]])
        self.assertNotIn(str(self.good), pathlib.Path(f"/proc/{daemon.pid}/maps").read_text())


def parent_name(pid):
    try:
        parent = re.search(r"PPid:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)
        return pathlib.Path(f"/proc/{parent}/comm").read_text().strip()
    except OSError:
        return None


def seccomp_of(pid):
    try:
        return int(re.search(r"Seccomp:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))
    except OSError:
        return None


if __name__ == "__main__":
    try:
        penstock_test.main()
    finally:
        if "where" in built:
            shutil.rmtree(built["where"], ignore_errors=True)

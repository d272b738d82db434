"""libpenstock in programs of others, built as they would build them: what a reader sees is an end only where the body is
whole, whatever dies."""
import ctypes
import os
import random
import re
import signal
import subprocess
import threading

import penstock_test
from penstock_test import BIN, DEADLINE, ROOT, until

LIB = BIN.resolve().parent / "lib"
CLIENTS = ROOT / "tests" / "system" / "clients"
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror"]
KILLS = int(os.environ.get("PENSTOCK_KILLS", "12"))


class LibPenstock(penstock_test.Case):
    def setUp(self):
        super().setUp()
        if not (LIB / "libpenstock.so").exists():
            self.skipTest("this build has no libpenstock")
        self.web = self.origin()
        self.penstock = self.daemon({"fetch.resume_delay": "5ms", "fetch.retry_delay": "5ms", "fetch.host_connections": "100"})
        self.env = dict(os.environ, PENSTOCK_SOCKET=str(self.penstock.socket), LD_LIBRARY_PATH=str(LIB))

    def compile(self, source, *arguments, compiler="cc", standard="c11"):
        command = [compiler, f"-std={standard}", "-D_GNU_SOURCE", *WARNINGS, f"-I{ROOT}/include", source, *arguments, f"-L{LIB}",
                   "-lpenstock", "-pthread"]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def build(self, name, compiler="cc", standard="c11"):
        made = self.dir / f"{name}.{compiler}"
        self.compile(CLIENTS / f"{name}.c", "-o", made, compiler=compiler, standard=standard)
        return made

    def read(self, *arguments, reader=None):
        reader = reader or self.build("read_url")
        done = subprocess.run([reader, *arguments], env=self.env, capture_output=True, text=True, timeout=DEADLINE, stdin=subprocess.DEVNULL)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def start(self, reader, *arguments):
        process = subprocess.Popen([reader, "-w", *arguments], env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "begun\n")
        return process

    # --- the header -------------------------------------------------------------------------------

    def test_compilers(self):
        for compiler, standard in (("gcc", "c99"), ("gcc", "c17"), ("clang", "c17")):
            if subprocess.run(["which", compiler], capture_output=True).returncode == 0:
                self.build("read_url", compiler, standard)
        (self.dir / "x.cc").write_text("#include <penstock/client.h>\nint main() { return penstock_close(nullptr, 0, nullptr) < 0 ? 0 : 1; }\n")
        made = self.dir / "x"
        done = subprocess.run(["g++", "-std=c++17", *WARNINGS, f"-I{ROOT}/include", "-o", made, self.dir / "x.cc", f"-L{LIB}", "-lpenstock"],
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(subprocess.run([made], env=self.env).returncode, 0)

    def test_symbols(self):
        """What the header declares is what the library has, and nothing else: a program of today runs with it tomorrow."""
        header = (ROOT / "include/penstock/client.h").read_text()
        declared = set(re.findall(r"\b(penstock_\w+)\(", re.sub(r"/\*.*?\*/", "", header, flags=re.S)))
        out = subprocess.run(["nm", "-D", "--defined-only", LIB / "libpenstock.so"], capture_output=True, text=True, check=True).stdout
        self.assertEqual({line.split()[2].split("@")[0] for line in out.splitlines()} - {"PENSTOCK_0"}, declared)
        linked = subprocess.run(["readelf", "-d", LIB / "libpenstock.so"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(set(re.findall(r"NEEDED.*\[(.*?)\]", linked)) - {"ld-linux-x86-64.so.2"}, {"libjansson.so.4", "libc.so.6"})
        self.assertIn("[libpenstock.so.0]", linked)

    def test_layout(self):
        """Whoever was compiled against the first release of the header runs with every library of the same soname."""
        released = ("ask call close close_fd connect disconnect error error_fd fault_of get_events get_fd on_event open open_fd process "
                    "submit")
        out = subprocess.run(["nm", "-D", "--defined-only", LIB / "libpenstock.so"], capture_output=True, text=True, check=True).stdout
        found = {line.split()[2] for line in out.splitlines()}
        self.assertEqual({f"penstock_{name}@@PENSTOCK_0" for name in released.split()} - found, set())
        places = {"job": 0, "attempt": 8, "resumes": 12, "state": 16, "status": 20, "bytes": 24, "records": 32, "seconds": 40,
                  "verified_by": 48, "error_kind": 64, "error_message": 96, "reserved": 608}
        asserts = [f"_Static_assert(offsetof(struct penstock_verdict, {name}) == {at}, \"{name}\");" for name, at in places.items()]
        asserts += ["_Static_assert(sizeof(struct penstock_verdict) == 736, \"its size\");",
                    "_Static_assert(offsetof(struct penstock_fault, message) == sizeof(void *), \"message\");",
                    "_Static_assert(offsetof(struct penstock_fault, field) == 2 * sizeof(void *), \"field\");",
                    "_Static_assert(PENSTOCK_STATE_DONE == 0 && PENSTOCK_STATE_FAILED == 1 && PENSTOCK_STATE_CANCELLED == 2 &&"
                    " PENSTOCK_STATE_UNKNOWN == 3, \"states\");"]
        (self.dir / "layout.c").write_text("\n".join(["#include <penstock/client.h>", *asserts, ""]))
        self.compile(self.dir / "layout.c", "-c", "-o", self.dir / "layout.o")

    # --- the examples of libpenstock(3) ---------------------------------------------------------------

    def example(self, name, url):
        """The page's example as a program: what stands before a line of dots is outside of main."""
        page = (ROOT / "daemon/man/libpenstock.3").read_text()
        found = re.search(rf'^\.\\" try: {name}\n\.Bd .*\n((?:.*\n)*?)\.Ed\n', page, re.M)
        text = found[1].replace("\\&", "").replace("https://example.org/rates.csv", url)
        outside, _, inside = text.rpartition("...\n")
        includes = "".join(f"#include <{h}>\n" for h in ("penstock/client.h", "err.h", "poll.h", "sys/wait.h", "unistd.h"))
        parse = "static int parse(FILE *f) { int n = 0, c; while ((c = getc(f)) != EOF) n += c == '\\n'; printf(\"%d\\n\", n); return ferror(f); }\n"
        source = self.dir / f"{name}.c"
        source.write_text(f"{includes}{parse if 'parse(' in inside else ''}{outside}int main(void)\n{{\n{inside}return 0;\n}}\n")
        made = self.dir / name
        self.compile(source, "-o", made)
        return subprocess.run([made], env=self.env, capture_output=True, text=True, timeout=DEADLINE)

    def test_examples(self):
        for name in ("file", "descriptor"):
            done = self.example(name, self.web.url("/lines?n=1000"))
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "1000\n", ""))
            done = self.example(name, self.web.url("/lines?n=100000&framing=close"))
            self.assertEqual(done.returncode, 1)
            self.assertIn("unverified_end: ", done.stderr)
            done = self.example(name, "gopher://host/")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("url: its scheme", done.stderr)
        done = self.example("loop", self.web.url("/csv?n=3"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r'^\{"id":\d+\}\n$')
        until(lambda: [v for v in self.penstock.events("verdict") if v["parser"] == "csv" and v["records"] == 3], "it is done")
        page = (ROOT / "daemon/man/libpenstock.3").read_text()
        self.assertEqual(page.count("\n.Bd "), page.count('\n.\\" try: '))

    # --- one body -----------------------------------------------------------------------------------

    def test_whole(self):
        reader = self.build("read_url")
        for how in ((), ("-d",)):
            for query, expected in (("/bytes?n=3000000", "3000000 END done length"), ("/bytes?n=0", "0 END done length"),
                                    ("/bytes?n=70000&framing=chunked", "70000 END done chunked"),
                                    ("/bytes?n=3000000&cut_first=1M", "3000000 END done length")):
                with self.subTest(how=how, query=query):
                    self.assertEqual(self.read(*how, self.web.url(query), reader=reader), [expected])

    def test_not_whole(self):
        reader = self.build("read_url")
        for how, error in (((), "Input/output error"), (("-d",), "Connection reset by peer")):
            for query, kind in (("/bytes?n=3000000&cut=1M&etag=none&modified=0", "truncated"),
                                ("/bytes?n=3000000&framing=close", "unverified_end"),
                                ("/bytes?n=90000&framing=chunked&no_final_chunk=1&etag=none&modified=0", "truncated")):
                with self.subTest(how=how, query=query):
                    (line,) = self.read(*how, self.web.url(query), reader=reader)
                    # A cut may be known before the first byte is handed on.
                    self.assertRegex(line, rf"^(\d+ {error} failed {kind}|no: Input/output error: {kind}: .*)$")

    def test_cut_at_random(self):
        """64 bodies at once in one program, each cut somewhere, of which none can be resumed."""
        reader = self.build("read_url")
        for how in ((), ("-d",)):
            cut = random.randrange(1, 2999999)
            lines = self.read(*how, "-t", "64", self.web.url(f"/bytes?n=3000000&cut={cut}&etag=none&modified=0"), reader=reader)
            self.assertEqual(len(lines), 64)
            for line in lines:
                self.assertNotIn("END", line)
                self.assertIn("truncated", line)

    def test_pieces(self):
        """A FILE reads as much at once as its buffer holds: of a body that lies in the pipe, 64 KiB."""
        lib, libc, size = ctypes.CDLL(str(LIB / "libpenstock.so.0")), ctypes.CDLL(None), 400000
        lib.penstock_open.restype = ctypes.c_void_p
        body = lib.penstock_open(self.web.url(f"/bytes?n={size}").encode(), f"socket={self.penstock.socket}".encode())
        self.addCleanup(libc.fclose, ctypes.c_void_p(body))
        until(lambda: size in map(self.unread, range(1000)), "it lies in the pipe")
        data = ctypes.create_string_buffer(size)
        before = self.reads()
        self.assertEqual(libc.fread(data, ctypes.c_size_t(1), ctypes.c_size_t(size), ctypes.c_void_p(body)), size)
        self.assertLess(self.reads() - before, 20)

    def unread(self, fd):
        """Bytes that a pipe holds."""
        number = ctypes.c_int(0)
        return number.value if ctypes.CDLL(None).ioctl(fd, 0x541b, ctypes.byref(number)) == 0 else 0  # FIONREAD

    def reads(self):
        with open("/proc/self/io") as io:
            return int(re.search(r"syscr: (\d+)", io.read())[1])

    def test_what_is_refused(self):
        reader = self.build("read_url")
        for query, options, said in (("/bytes?n=9&status=404", "", "no: Input/output error: http_status: .* 404"),
                                     ("/bytes?n=9", "max_bdy=1", "no: Invalid argument: .*did you mean max_body"),
                                     ("/bytes?n=9", 'label.a="x', "no: Invalid argument: options: the quote is not closed"),
                                     ("/bytes?n=9", "label.a", "no: Invalid argument: options: NAME=VALUE"),
                                     ("/bytes?n=9", "digest=sha256 digest=sha256", "no: Invalid argument: .*given twice"),
                                     ("/bytes?n=9", "socket=/nowhere", "no: No such file or directory: /nowhere: no such socket"),
                                     ("/bytes?n=9", "parser=csv", "no: Invalid argument: .*parser")):
            with self.subTest(options=options, query=query):
                (line,) = self.read("-o", options, self.web.url(query), reader=reader)
                self.assertRegex(line, said)

    def test_options(self):
        self.read("-o", 'digest=sha256 label.team="a \\"b\\"" header="X-One: 1" header="X-Two: 2" max-attempts=3', self.web.url("/request"))
        until(lambda: self.penstock.events("verdict"), "the verdict")
        verdict = self.penstock.events("verdict")[0]
        self.assertEqual((verdict["labels"], len(verdict["sha256"])), ({"team": 'a "b"'}, 64))
        (line,) = self.read("-o", "max_body=10", self.web.url("/bytes?n=11"))
        self.assertIn("limit_exceeded", line)

    def test_enough_and_results(self):
        reader = self.build("read_url")
        for how in ((), ("-d",)):
            self.assertEqual(self.read(*how, "-e", "10", self.web.url("/bytes?endless=1"), reader=reader), ["10 ENOUGH done enough"])
            self.assertEqual(self.read(*how, "-r", "3", self.web.url("/bytes?n=9"), reader=reader), ["9 END failed parser_failed"])
            self.assertEqual(self.read(*how, "-r", "-1", self.web.url("/bytes?n=9"), reader=reader), ["9 END failed parser_failed"])

    def test_a_slow_reader_is_waited_for(self):
        """The origin has sent no more than what pipes and sockets hold."""
        process = self.start(self.build("read_url"), self.web.url("/bytes?n=100M&id=slow"))
        with self.penstock.rpc() as rpc:
            until(lambda: [j.get("waiting_for") for j in rpc.call("top")["running"]] == ["parser"], "the download waits")
        process.communicate("\n", timeout=DEADLINE)

    def test_a_reader_that_is_busy(self):
        """After a cut, with what has come before: nobody waits for it, and it is not taken for a parser that hangs."""
        reader = self.build("read_url")
        for how, error in (((), "Input/output error"), (("-d",), "Connection reset by peer")):
            daemon = self.daemon({"parse.abort_grace": "100ms", "defaults.max_attempts": "1"})
            self.env["PENSTOCK_SOCKET"] = str(daemon.socket)
            name = f"busy{len(how)}"
            process = self.start(reader, *how, self.web.url(f"/bytes?n=3000000&hold={name}&hold_at=50000&cut=60000&etag=none&modified=0"))
            self.web.release(name)
            until(lambda: daemon.events("verdict"), "the verdict, while it reads nothing")
            self.assertNotIn("given up", daemon.errors())
            out, _ = process.communicate("\n", timeout=DEADLINE)
            self.assertRegex(out, rf"^\d+ {error} failed truncated")

    # --- what dies ---------------------------------------------------------------------------------

    def test_the_daemon_is_killed(self):
        reader = self.build("read_url")
        for how, error in (((), "Input/output error"), (("-d",), "Connection reset by peer")):
            for _ in range(KILLS):
                daemon = self.daemon()
                self.env["PENSTOCK_SOCKET"] = str(daemon.socket)
                process = self.start(reader, *how, self.web.url("/bytes?n=3000000&hold=never&hold_at=1M"))
                daemon.signal(signal.SIGKILL)
                out, _ = process.communicate("\n", timeout=DEADLINE)
                self.assertRegex(out, rf"^\d+ {error} Connection reset by peer")

    def test_a_third_process_reads(self):
        """The descriptor, as its standard input, while client, daemon or both are killed."""
        for n in range(KILLS):
            whom = (("client",), ("daemon",), ("client", "daemon"))[n % 3]
            with self.subTest(whom=whom):
                self.kill_before_a_third(whom)

    def kill_before_a_third(self, whom):
        daemon = self.daemon()
        env = dict(self.env, PENSTOCK_SOCKET=str(daemon.socket))
        script = ("import ctypes, os, subprocess, sys, time\n"
                  f"p = ctypes.CDLL({str(LIB / 'libpenstock.so.0')!r})\n"
                  f"fd = p.penstock_open_fd({self.web.url('/lines?n=1000000&hold=never&hold_at=1M')!r}.encode(), None)\n"
                  "child = subprocess.Popen(['wc', '-l'], stdin=fd)\n"
                  "print(child.pid, flush=True)\n"
                  "time.sleep(60)\n")
        with (self.dir / "wc").open("w+") as out:
            client = subprocess.Popen(["python3", "-c", script], env=env, stdout=subprocess.PIPE, stderr=out, text=True)
            pid = int(client.stdout.readline())
            for signo in (signal.SIGSTOP, signal.SIGKILL):
                for process in (client, daemon.process):
                    if process is client and "client" in whom or process is not client and "daemon" in whom:
                        process.send_signal(signo)
            if "client" in whom:
                client.wait()
                until(lambda: penstock_test.gone(pid), "wc has ended")
            else:  # which has not waited for it; wc writes its one line in pieces
                until(lambda: "\n" in (self.dir / "wc").read_text(), "wc has ended")
            client.kill(), client.wait(), client.stdout.close()
        self.assertIn("Connection reset by peer", (self.dir / "wc").read_text())

    def test_fclose_cancels(self):
        """From ctypes, as from any language that can call C."""
        lib = ctypes.CDLL(str(LIB / "libpenstock.so.0"))
        libc = ctypes.CDLL(None)
        lib.penstock_open.restype = ctypes.c_void_p
        libc.fclose.argtypes = [ctypes.c_void_p]
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            body = lib.penstock_open(self.web.url("/bytes?endless=1").encode(), f"socket={self.penstock.socket}".encode())
            self.assertTrue(body)
            self.assertEqual(libc.fclose(body), 0)
        until(lambda: len(self.penstock.events("verdict")) == 3, "three verdicts")
        self.assertEqual({v["state"] for v in self.penstock.events("verdict")}, {"cancelled"})
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        lib.penstock_close.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
        self.assertEqual(lib.penstock_close(body, 0, None), -9)

    def test_a_number_that_comes_back(self):
        """While a close waits for its verdict, another thread opens a body and gets the descriptor's number."""
        lib = ctypes.CDLL(str(LIB / "libpenstock.so.0"))
        other, results = self.daemon(), []
        low = os.open("/dev/null", os.O_RDONLY)  # the next connection's number
        url = self.web.url("/bytes?endless=1").encode()
        fd = lib.penstock_open_fd(url, f"socket={self.penstock.socket}".encode())
        self.penstock.signal(signal.SIGSTOP)
        closing = threading.Thread(target=lambda: results.append(lib.penstock_close_fd(fd, 0, None)), daemon=True)
        closing.start()
        until(lambda: not os.path.exists(f"/proc/self/fd/{fd}"), "it is closed")
        os.close(low)
        again = lib.penstock_open_fd(url, f"socket={other.socket}".encode())
        self.penstock.signal(signal.SIGCONT)
        closing.join(DEADLINE)
        self.assertEqual((again, results), (fd, [0]))
        self.assertEqual(lib.penstock_close_fd(again, 0, None), 0)
        self.assertEqual(lib.penstock_close_fd(again, 0, None), -9)

    # --- a loop --------------------------------------------------------------------------------------

    def test_loop(self):
        urls = [self.web.url(f"/lines?n={n}") for n in (3, 5)]
        done = subprocess.run([self.build("own_loop"), *urls], env=self.env, capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual(done.returncode, 0, done.stderr)
        out = done.stdout.splitlines()
        self.assertEqual(out[0], "fault -32001")
        self.assertIn(f'{urls[0]}: {{"id":1}}', out)
        self.assertRegex(done.stdout, r"ftp: no -32602 url: url: its scheme")
        self.assertEqual(done.stdout.count("verdict done"), 2)
        self.assertIn("12 events", out)  # 8 records, 2 attempts and 2 verdicts
        self.assertEqual(out[-2:], ["last: no 0 : the connection was ended", "again: -104"])


if __name__ == "__main__":
    penstock_test.main()

"""The Python package: asyncio and without, bodies, pipelines, jobs; no reader takes a cut for an end, whatever dies."""
import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import types

import penstock_test
from penstock_test import DEADLINE, until

SOURCES = penstock_test.ROOT / "daemon" / "client" / "python"
sys.path.insert(0, str(SOURCES))
import penstock  # noqa: E402
import penstock.blocking  # noqa: E402

CUT = "&cut=300000&etag=none&modified=0"
KILLS = int(os.environ.get("PENSTOCK_KILLS", "8"))


class Turns:
    """How long callbacks keep a loop: the time of this thread alone, so that a busy machine does not count."""

    def __enter__(self):
        self.count, self.longest, self.run = 0, 0.0, asyncio.Handle._run
        gc.disable()  # its pauses are Python's own

        def run(handle):
            began = time.thread_time()
            self.run(handle)
            self.count += 1
            self.longest = max(self.longest, time.thread_time() - began)
        asyncio.Handle._run = run
        return self

    def __exit__(self, *unused):
        asyncio.Handle._run = self.run
        gc.enable()


class Python(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.penstock = self.daemon({"fetch.resume_delay": "5ms", "fetch.retry_delay": "5ms", "fetch.host_connections": "100",
                                     "defaults.max_attempts": "1"})

    def run_async(self, function):
        async def main():
            async with penstock.connect(str(self.penstock.socket)) as p:
                return await asyncio.wait_for(function(p), DEADLINE)
        return asyncio.run(main())

    # --- bodies -------------------------------------------------------------------------------------

    def test_a_body(self):
        async def main(p):
            async with p.open(self.web.url("/bytes?n=3000000")) as body:
                whole = await body.read()
            self.assertEqual((len(whole), body.verdict.state, body.verdict.verified_by), (3000000, "done", "length"))
            async with p.open(self.web.url("/bytes?n=100000")) as body:
                pieces = [piece async for piece in body]
            self.assertEqual(b"".join(pieces), whole[:100000])
            async with p.open(self.web.url("/bytes?endless=1")) as body:
                self.assertEqual(await body.read(10), whole[:10])
            self.assertEqual(body.verdict.verified_by, "enough")
            async with p.open(self.web.url("/bytes?n=0")) as body:
                self.assertEqual(await body.read(), b"")
        self.run_async(main)

    def test_a_cut_body(self):
        async def main(p):
            with self.assertRaises(penstock.JobFailed) as caught:  # while it is opened, or later: as soon as it is known
                async with p.open(self.web.url("/bytes?n=3000000" + CUT)) as body:
                    await body.read()
            self.assertEqual((caught.exception.kind, caught.exception.verdict.state), ("truncated", "failed"))
            with self.assertRaises(penstock.Incomplete) as caught:
                async with p.open(self.web.url("/bytes?n=3000000&framing=close")) as body:
                    await body.read()
            self.assertEqual((caught.exception.kind, caught.exception.verdict.state), ("unverified_end", "failed"))
            self.assertIsInstance(caught.exception, OSError)
            with self.assertRaises(penstock.JobFailed) as caught:
                await p.open(self.web.url("/x?status=404"))
            self.assertEqual((caught.exception.kind, caught.exception.verdict.status), ("http_status", 404))
            with self.assertRaises(penstock.Refused) as caught:
                await p.open("ftp://x")
            self.assertEqual((caught.exception.kind, caught.exception.field), ("invalid_params", "url"))
            with self.assertRaises(ZeroDivisionError):
                async with p.open(self.web.url("/bytes?n=9")) as body:
                    1 / 0
            self.assertEqual(body.verdict.kind, "parser_failed")
        self.run_async(main)

    def test_what_was_cut_stays_cut(self):
        """The kernel tells a socket's error once, and an end from then on."""
        url = self.web.url("/bytes?n=3000000&framing=close")

        async def main(p):
            body = await p.open(url)
            for _ in range(3):
                with self.assertRaises(penstock.Incomplete):
                    await body.read()
            with self.assertRaises(penstock.JobFailed):
                await body.close()
        self.run_async(main)
        with penstock.blocking.connect(str(self.penstock.socket)) as p:
            body = p.open(url)
            for _ in range(3):
                with self.assertRaises(penstock.Incomplete):
                    body.read()
            body.close()

    def test_closing(self):
        held = self.web.url("/bytes?n=3000000&hold=never&hold_at=1M")

        async def main(p):
            body = await p.open(held)  # a process's returncode after a signal
            with self.assertRaises(penstock.JobFailed) as caught:
                await body.close(-9)
            self.assertEqual(caught.exception.kind, "parser_failed")
            body = await p.open(held)  # while a read waits
            reading = asyncio.ensure_future(body.read())
            while body._ready is None:
                await asyncio.sleep(0)
            with self.assertRaises(penstock.JobFailed):
                await body.close(1)
            with self.assertRaises(ValueError):
                await reading
            async with p.open(self.web.url("/bytes?n=3000000")) as body:  # with the same number
                self.assertEqual(len(await body.read()), 3000000)
            body = await p.open(held)  # a close that was cancelled, and then another one
            closing = asyncio.ensure_future(body.close(1))
            await asyncio.sleep(0)
            closing.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await closing
            with self.assertRaises(penstock.ConnectionLost):
                await body.close(1)
            before = len(os.listdir("/proc/self/fd"))
            with self.assertRaises(TypeError):
                await p.open(held, labels=object())
            self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        self.run_async(main)

    def test_a_function_that_reads_a_descriptor(self):
        """As a module of C's would, on a thread: by a FILE around a duplicate of the descriptor."""
        def parse(fd):
            with os.fdopen(os.dup(fd), "rb") as file:
                return sum(1 for _ in file)

        async def main(p):
            loop = asyncio.get_running_loop()
            async with p.open(self.web.url("/lines?n=100000")) as body:
                self.assertEqual(await loop.run_in_executor(None, parse, body.fileno()), 100000)
            with self.assertRaises(ConnectionResetError):
                async with p.open(self.web.url("/lines?n=100000&framing=close")) as body:
                    await loop.run_in_executor(None, parse, body.fileno())
            body = await p.open(self.web.url("/lines?n=1000"))
            wc = await asyncio.create_subprocess_exec("wc", "-l", stdin=body.fileno(), stdout=subprocess.PIPE)
            self.assertEqual((await wc.communicate())[0], b"1000\n")
            self.assertTrue((await body.close()).done)
        self.run_async(main)

    def test_many_slow_readers(self):
        """64 at once: memory is bounded on both sides, and nothing keeps the loop for more than 10 ms of the processor's
        time."""
        async def main(p):
            async def read_slowly():
                async with p.open(self.web.url("/bytes?n=2M&id=many")) as body:
                    total = 0
                    async for piece in body:
                        total += len(piece)
                        await asyncio.sleep(0)
                    return total
            memory = [penstock_test.memory_of(pid) for pid in (os.getpid(), self.penstock.pid)]
            with Turns() as turns:
                self.assertEqual(set(await asyncio.gather(*(read_slowly() for _ in range(64)))), {2 << 20})
            self.assertGreater(turns.count, 64 * 32)
            self.assertLess(turns.longest, 0.010)
            for pid, before in zip((os.getpid(), self.penstock.pid), memory):
                self.assertLess(penstock_test.memory_of(pid) - before, 64 << 20)
        self.run_async(main)

    def test_a_socket_that_nobody_accepts(self):
        """A connect(2) that the kernel would let wait keeps nothing else from running."""
        async def main():
            path = str(self.dir / "full")
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(path)
                listening.listen(0)
                calls = [asyncio.ensure_future(penstock.connect(path).call("ping")) for _ in range(5)]
                for _ in range(100):
                    await asyncio.sleep(0)
                for call in calls:
                    call.cancel()
                await asyncio.gather(*calls, return_exceptions=True)
        before = len(os.listdir("/proc/self/fd"))
        asyncio.run(asyncio.wait_for(main(), DEADLINE))
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    # --- pipelines -----------------------------------------------------------------------------------

    def test_pipelines(self):
        async def main(p):
            url = self.web.url("/lines?n=100000")
            self.assertEqual(await (await p.pipeline(url, ["wc", "-l"])).output(), b"100000\n")
            async with p.pipeline(url, ["sed", "s/line/x/"], ["grep", "7$"], ["wc", "-l"]) as stages:
                self.assertEqual(await stages.output(), b"10000\n")
            async with p.pipeline(url, ["cat"], ["head", "-n", "2"]) as stages:
                self.assertEqual([line async for line in stages.lines()], [b"line 1\n", b"line 2\n"])
            self.assertIn(stages.verdict.verified_by, ("enough", "length"))
            with self.assertRaises(penstock.StageFailed) as caught:
                await (await p.pipeline(url, ["cat"], ["sh", "-c", "cat >/dev/null; exit 3"], ["cat"])).wait()
            self.assertEqual(caught.exception.returncodes[1], 3)
            with self.assertRaises(FileNotFoundError):
                await p.pipeline(url, ["cat"], ["/no/such/program"])
            with (self.dir / "out").open("wb") as out:
                verdict = await p.run(url, "wc", "-l", stdout=out)
            self.assertEqual(((self.dir / "out").read_text(), verdict.state), ("100000\n", "done"))
        self.run_async(main)

    def test_pipelines_that_are_left(self):
        async def main(p):
            stages = await p.pipeline(self.web.url("/bytes?endless=1"), ["cat"], ["cat"], ["cat"], ["head", "-c", "10"])
            self.assertEqual(len(await stages.output()), 10)
            self.assertEqual(stages.verdict.verified_by, "enough")
            async with p.pipeline(self.web.url("/lines?n=100000"), ["cat"]) as stages:
                async for line in stages.lines():
                    break  # the rest is more than pipes hold
            held = self.web.url("/lines?n=100000&hold=never&hold_at=300000")
            with self.assertRaises(ZeroDivisionError):
                async with p.pipeline(held, ["cat"]) as stages:
                    waiting = asyncio.ensure_future(stages.wait())
                    await asyncio.sleep(0)
                    waiting.cancel()
                    1 / 0
            self.assertEqual(stages.verdict.state, "failed")
            before = len(os.listdir("/proc/self/fd"))
            running = asyncio.ensure_future(p.run(held, "sh", "-c", f"echo >{self.dir}/runs; exec cat", stdout=subprocess.DEVNULL))
            while not (self.dir / "runs").exists():
                await asyncio.sleep(0.01)
            running.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await running
            while len(os.listdir("/proc/self/fd")) > before:
                await asyncio.sleep(0.01)
        self.run_async(main)
        until(lambda: len(self.penstock.events("verdict")) == 4, "every job has ended")

    def test_lines_that_are_left(self):
        """Of a body without an end: by who waits for the rest, and by who only lets go."""
        async def main(p):
            endless = self.web.url("/lines?endless=1")
            async with p.pipeline(endless, ["cat"], ["grep", "7"]) as stages:
                async for line in stages.lines():
                    self.assertEqual(line, b"line 7\n")
                    break
            self.assertEqual((stages.verdict.state, stages.verdict.verified_by), ("done", "enough"))
            async with p.pipeline(endless, ["grep", "-m1", "--line-buffered", "7"], ["sh", "-c", "cat; exec sleep 1000"]) as stages:
                async for line in stages.lines():
                    break  # it would print nothing more
            self.assertEqual(stages.verdict.verified_by, "enough")
            stages = await p.pipeline(endless, ["cat"])
            lines = stages.lines()
            await lines.__anext__()
            await lines.aclose()
            self.assertEqual((await stages.wait()).verified_by, "enough")
            with self.assertRaises(ZeroDivisionError):
                async with p.pipeline(endless, ["cat"]) as stages:
                    async for line in stages.lines():
                        1 / 0
            self.assertEqual((stages.verdict.state, stages.verdict.kind), ("failed", "parser_failed"))
            async with p.open(endless) as body:
                async for piece in body:
                    break
            self.assertEqual(body.verdict.verified_by, "enough")
        self.run_async(main)

    def test_whom_a_kill_reaches(self):
        """What an ended stage has left in its group; but nobody who has got its number since."""
        def start(*command):
            process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True)
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            return process
        other = start("sleep", "1000")
        penstock._async.kill_group(types.SimpleNamespace(pid=other.pid, returncode=0))
        self.assertIsNone(other.poll())
        stage = start("sh", "-c", "sleep 1000 >/dev/null & echo $!")
        left = int(stage.stdout.readline())
        stage.wait()
        penstock._async.kill_group(stage)
        until(lambda: penstock_test.gone(left), "what it has left is killed")
        penstock._async.kill_group(stage)
        penstock._async.kill_group(other)
        self.assertEqual(other.wait(), -signal.SIGKILL)

    def test_no_stage_takes_a_cut_for_an_end(self):
        """Also those that look at no error of a read: sed, perl, and a shell's own."""
        async def main(p):
            url = self.web.url("/lines?n=100000" + CUT)
            for command in (["cat"], ["sed", "p"], ["perl", "-ne", "print"], ["sh", "-c", "while read -r x; do echo $x; done"]):
                for after in ([], [["cat"]]):
                    ended = self.dir / "ended"
                    marker = [["sh", "-c", f"{' '.join(after[0]) if after else 'cat'} >/dev/null; echo END > {ended}"]]
                    with self.assertRaises(penstock.JobFailed, msg=f"{command}") as caught:
                        await (await p.pipeline(url, command, *marker)).wait()
                    self.assertFalse(ended.exists(), command)
                    self.assertIn(caught.exception.verdict.kind, ("truncated", "parser_failed"))
        self.run_async(main)

    def kill(self, *whom):
        """A pipeline in a program of its own, of which these die: its last stage writes a file if it sees an end."""
        ended, begun = self.dir / "ended", self.dir / "begun"
        begun.unlink(missing_ok=True)
        daemon = self.daemon()
        script = (f"import asyncio, sys\nsys.path.insert(0, {str(SOURCES)!r})\nimport penstock\n"
                  "async def main():\n"
                  f"    async with penstock.connect({str(daemon.socket)!r}) as p:\n"
                  f"        pl = await p.pipeline({self.web.url('/lines?n=1000000&hold=never&hold_at=1M')!r}, ['cat'],\n"
                  f"            ['sh', '-c', 'set -e; head -c 1000 >/dev/null; echo $$ > {begun}; cat >/dev/null; echo END > {ended}'])\n"
                  "        await pl.wait()\n"
                  "asyncio.run(main())\n")
        client = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
        until(lambda: begun.exists() and begun.read_text().strip(), "the last stage has read something")
        pid = int(begun.read_text())
        for process in (client, daemon.process):
            if process in [client if w == "client" else daemon.process for w in whom]:
                process.send_signal(signal.SIGSTOP)
        for w in whom:
            (client if w == "client" else daemon.process).send_signal(signal.SIGKILL)
        until(lambda: penstock_test.gone(pid), "the last stage has ended")
        client.kill()
        client.wait()
        self.assertFalse(ended.exists())

    def test_killed(self):
        for whom in (("daemon",), ("client",), ("client", "daemon"), ("daemon", "client")):
            for _ in range(KILLS // 4 or 1):
                with self.subTest(whom=whom):
                    self.kill(*whom)

    # --- jobs -------------------------------------------------------------------------------------------

    def test_jobs(self):
        async def main(p):
            records = [r async for r in p.submit(self.web.url("/csv?n=2000"), parser="csv").records()]
            self.assertEqual((len(records), records[0]["id"]), (2000, "1"))
            job = await p.submit(self.web.url("/csv?n=3"), parser="csv", labels={"a": "b"})
            verdict = await job.verdict()
            self.assertEqual((verdict.job, verdict.records, verdict.line["labels"]), (job.id, 3, {"a": "b"}))
            seen = []
            with self.assertRaises(penstock.JobFailed) as caught:
                async for record in p.submit(self.web.url("/lines?n=100000" + CUT), parser="lines").records():
                    seen.append(record)
            self.assertEqual((caught.exception.kind, seen), ("truncated", []))  # nothing of a body that is not whole
            job = await p.submit(self.web.url("/silence"))
            await job.cancel()
            self.assertEqual((await job.verdict()).state, "cancelled")
            lines = [line async for line in p.follow(ids=[job.id])]
            self.assertEqual([line["event"] for line in lines], ["verdict"])
            await p.schedule_add("s", self.web.url("/csv?n=1"), every="7d", parser="csv")
            self.assertEqual([s["name"] async for s in p.schedules()], ["s"])
            self.assertTrue((await p.schedule_run("s"))["id"])
            await p.schedule_remove("s")
            self.assertEqual((await p.call("ping"))["version"], penstock.__version__)
        self.run_async(main)

    def test_the_daemon_goes(self):
        async def main(p):
            body = await p.open(self.web.url("/bytes?n=3000000&hold=never&hold_at=1M"))
            waiting = asyncio.ensure_future(p.call("wait", {"ids": [body.job]}))
            await asyncio.sleep(0)
            self.penstock.signal(signal.SIGKILL)
            with self.assertRaises(penstock.ConnectionLost):
                await body.read()
            with self.assertRaises(penstock.ConnectionLost):
                await waiting
            with self.assertRaises(penstock.ConnectionLost):
                await p.call("ping")
        self.run_async(main)
        with self.assertRaises(penstock.ConnectionLost):
            penstock.blocking.connect(str(self.dir / "nowhere"))

    def test_the_daemon_comes_back(self):
        async def main():
            async with penstock.connect(str(self.dir / "link")) as p:
                await p.call("ping")
                self.penstock.signal(signal.SIGKILL)
                with self.assertRaises(penstock.ConnectionLost):
                    while True:
                        await p.call("ping")
                (self.dir / "link").unlink()
                (self.dir / "link").symlink_to(self.daemon().socket)
                self.assertTrue(await p.call("ping"))
        (self.dir / "link").symlink_to(self.penstock.socket)
        asyncio.run(main())

    # --- without asyncio -----------------------------------------------------------------------------------

    def test_blocking(self):
        before = len(os.listdir("/proc/self/fd"))
        with penstock.blocking.connect(str(self.penstock.socket)) as p:
            with p.open(self.web.url("/lines?n=1000")) as body:
                self.assertEqual(sum(1 for _ in body), 1000)
            self.assertTrue(body.verdict.done)
            with self.assertRaises(penstock.Incomplete):
                with p.open(self.web.url("/lines?n=100000&framing=close")) as body:
                    body.read()
            body = p.open(self.web.url("/bytes?endless=1"))
            body.close()
            until(lambda: [v for v in self.penstock.events("verdict") if v["state"] == "cancelled"], "it is cancelled")
            self.assertEqual(p.pipeline(self.web.url("/lines?n=1000"), ["cat"], ["wc", "-l"]), b"1000\n")
            self.assertEqual(len(list(p.submit(self.web.url("/csv?n=20"), parser="csv").records())), 20)
            job = p.submit(self.web.url("/csv?n=20"), parser="csv")
            self.assertEqual((job.id > 0, job.verdict().records), (True, 20))
            self.assertEqual([line["event"] for line in p.follow(ids=[job.id])], ["verdict"])
            self.assertEqual(list(p.schedules()), [])
            with self.assertRaises(penstock.Refused):
                p.call("show", {"id": 999})
        until(lambda: len(os.listdir("/proc/self/fd")) == before, "no descriptor is left")

    def test_blocking_is_closed(self):
        """While another thread waits for an answer."""
        p = penstock.blocking.connect(str(self.penstock.socket))
        job = p.submit(self.web.url("/silence"))
        self.assertTrue(job.id)
        seen = []

        def wait():
            try:
                job.verdict()
            except BaseException as error:
                seen.append(type(error).__name__)
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        until(lambda: p.call("stats")["control"]["clients"] >= 2, "it follows the job")
        p.close()
        thread.join(DEADLINE)
        self.assertEqual(seen, ["CancelledError"])
        with self.penstock.rpc() as rpc:
            rpc.call("cancel", {"ids": [job._job.id]})

    def test_types(self):
        """Where a type checker is installed, it has nothing to say."""
        done = subprocess.run([sys.executable, "-c", "import mypy"], capture_output=True)
        if done.returncode == 0:
            done = subprocess.run([sys.executable, "-m", "mypy", "--strict", str(SOURCES / "penstock")], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    penstock_test.main()

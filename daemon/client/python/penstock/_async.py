"""The face for asyncio."""
from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
from typing import Any, AsyncIterator, Callable, Dict, Generator, List, Optional, Sequence, Set

from ._errors import ConnectionLost, Incomplete, JobFailed, LinesMissed, StageFailed
from ._verdict import Verdict
from ._wire import Wire, find_socket

PIECE = 1 << 16


def job_of(url: str, options: Dict[str, Any]) -> Dict[str, Any]:
    return {"url": url, **{name: value for name, value in options.items() if value is not None}}


def make_pair() -> "tuple[socket.socket, socket.socket]":
    """(what is read, what is written): the reader sees an error and no end unless the byte that lies in the other one is
    read before that is closed (PROTOCOL.md, run)."""
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    reader.send(b"-")
    return reader, writer


def is_in_use(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def kill_group(stage: Any) -> None:
    """A stage and what it has started in its process group. The kernel gives a group's number to no process as long as the
    group has a member: so if a process has that of a stage that was waited for, it is somebody else's by now."""
    if stage.returncode is not None and is_in_use(stage.pid):
        return
    try:
        os.killpg(stage.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


class Body:
    """A body: a descriptor that gives an end only where all of it has arrived, and ECONNRESET otherwise. Read it here, or
    hand fileno() to whoever reads descriptors, on a thread or in a process."""

    def __init__(self, path: Optional[str], job: Dict[str, Any], on_cut: Optional[Callable[[], None]] = None) -> None:
        self._path = path
        self._job = job
        self._on_cut = on_cut  # its readers are killed then, and the socket is closed only once they are dead
        self._held: Optional[socket.socket] = None
        self._wire: Optional[Wire] = None
        self._reader: Optional[socket.socket] = None
        self._watch: Optional["asyncio.Task[None]"] = None
        self._begun: "Optional[asyncio.Future[None]]" = None
        self._ended: "Optional[asyncio.Future[Verdict]]" = None
        self._said = False
        self._cut = False  # a read has met the error, which the kernel tells once
        self._ready: "Optional[asyncio.Future[None]]" = None  # of a read that waits
        self.job = 0  # its id, once it is open
        self.verdict: Optional[Verdict] = None

    # --- opening ---

    def __await__(self) -> Generator[Any, None, "Body"]:
        return self._open().__await__()

    async def __aenter__(self) -> "Body":
        return await self._open()

    async def __aexit__(self, kind: Any, *unused: Any) -> None:
        try:
            await self.close(0 if kind is None else 1)
        except (JobFailed, ConnectionLost):
            if kind is None:
                raise

    async def _open(self) -> "Body":
        """Until its first byte is there, or its verified end."""
        if self._wire is not None:
            return self
        loop = asyncio.get_running_loop()
        self._wire = Wire(await find_socket(self._path))
        self._begun, self._ended = loop.create_future(), loop.create_future()
        try:
            self._reader, given = make_pair()
            self._held = given.dup() if self._on_cut else None
            self.job = (await self._wire.call("run", self._job, given.detach()))["id"]
            self._watch = loop.create_task(self._listen())
            await asyncio.shield(self._begun)
        except BaseException:
            self._drop()
            raise
        return self

    async def _listen(self) -> None:
        assert self._wire is not None and self._begun is not None and self._ended is not None
        try:
            while True:
                method, params = await self._wire.note()
                if method in ("begin", "complete") and not self._begun.done():
                    self._begun.set_result(None)
                if method == "complete":
                    self._release()
                elif method == "abort" and self._on_cut:
                    self._on_cut()
                elif method == "event" and params.get("event") == "verdict":
                    self.verdict = Verdict.of(params)
                    break
        except ConnectionLost as error:
            if self._on_cut and self._held is not None:
                self._on_cut()
            for future in (self._begun, self._ended):
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # it may be that nobody asks
            return
        if not self._begun.done():
            self._begun.set_exception(JobFailed(self.verdict))
        self._ended.set_result(self.verdict)

    def _say(self, status: int) -> None:
        """How the reader ended; the first word counts. A process's returncode may be negative, an exit status may not."""
        if not self._said and self._wire is not None:
            self._said = True
            status = status if 0 <= status <= 128 else 1
            self._wire.call("exited", {"id": self.job, "status": status}).add_done_callback(lambda f: f.cancelled() or f.exception())

    # --- reading ---

    def fileno(self) -> int:
        """A blocking socket, this object's own: it stays open until close()."""
        if self._reader is None:
            raise ValueError("the body is not open")
        return self._reader.fileno()

    async def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, at least one but at the end; all of it if size is negative. Incomplete after a cut."""
        if size < 0:
            return b"".join([piece async for piece in self])
        while True:
            try:
                return b"" if size == 0 else self._take(size)
            except BlockingIOError:
                await self._wait_for_data()
            except ConnectionResetError:
                raise Incomplete(await self._why()) from None

    def _take(self, size: int) -> bytes:
        self.fileno()  # or ValueError
        assert self._reader is not None
        if self._cut:
            raise ConnectionResetError
        return self._reader.recv(size, socket.MSG_DONTWAIT)

    async def _wait_for_data(self) -> None:
        """Or until the body is closed."""
        loop = asyncio.get_running_loop()
        ready: "asyncio.Future[None]" = loop.create_future()
        loop.add_reader(self.fileno(), lambda: ready.done() or ready.set_result(None))
        self._ready = ready
        try:
            await ready
        finally:
            if self._reader is not None:  # else _shut has done it
                loop.remove_reader(self._reader.fileno())
            self._ready = None

    async def _why(self) -> Verdict:
        """The verdict, which says why it is not whole."""
        self._cut = True
        self._say(1)
        assert self._ended is not None
        return await asyncio.shield(self._ended)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        while True:
            piece = await self.read(PIECE)
            if not piece:
                return
            yield piece

    # --- the end ---

    async def close(self, result: int = 0) -> Verdict:
        """`result` 0: the reader is content (with a part: verified_by is `enough`); else the job fails as parser_failed. The
        verdict; JobFailed if the job is not done."""
        if self.verdict is None:
            if self._wire is None or self._ended is None:
                raise ValueError("the body is not open")
            self._shut()
            self._say(result)
            try:
                self.verdict = await asyncio.shield(self._ended)
            finally:
                self._drop()
        self._drop()
        if not self.verdict.done:
            raise JobFailed(self.verdict)
        return self.verdict

    def _shut(self) -> None:
        if self._reader is None:
            return
        if self._ready is not None:
            loop = self._ready.get_loop()
            if not loop.is_closed():
                loop.remove_reader(self._reader.fileno())
                if not self._ready.done():
                    self._ready.set_result(None)
        self._reader.close()
        self._reader = None

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def _drop(self) -> None:
        self._shut()
        self._release()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for future in (self._begun, self._ended):  # nobody else will tell who waits
            if future is not None and not future.done() and not future.get_loop().is_closed():
                future.set_exception(ConnectionLost("the body was closed"))
                future.exception()
        if self._wire is not None:
            self._wire.close()

    def __del__(self) -> None:
        self._shut()
        self._release()


class Pipeline:
    """Commands connected by sockets that cannot take a cut for an end: a stage sees one only when the stage before has
    exited with 0, and the first only when the body is whole, even if this process is killed. When anything fails, all
    stages are killed, with the processes that they started in their process groups, before an input ends."""

    def __init__(self, path: Optional[str], job: Dict[str, Any], stages: Sequence[Sequence[str]], options: Dict[str, Any]) -> None:
        if not stages or not all(stages):
            raise ValueError("a pipeline has at least one command")
        self._body = Body(path, job, self._kill)
        self._commands = stages
        self._options = options
        self._stages: "List[asyncio.subprocess.Process]" = []
        self._links: "List[Optional[socket.socket]]" = []  # what stage i writes to, held until it has exited well
        self._watch: "List[asyncio.Task[None]]" = []
        self._excused: "Set[int]" = set()  # stages that failed since the next one had had enough
        self._failed = False
        self._part = False  # somebody has begun to read lines()
        self.stdout: Optional[asyncio.StreamReader] = None  # the last stage's, unless `stdout` says otherwise

    @property
    def verdict(self) -> Optional[Verdict]:
        return self._body.verdict

    def __await__(self) -> Generator[Any, None, "Pipeline"]:
        return self._start().__await__()

    async def __aenter__(self) -> "Pipeline":
        return await self._start()

    async def __aexit__(self, kind: Any, *unused: Any) -> None:
        if kind is not None:
            self._kill()
        elif self._part:
            self._leave()
        try:
            await self._drain()
            await self.wait()
        except (JobFailed, ConnectionLost):
            if kind is None:
                raise

    async def _start(self) -> "Pipeline":
        if self._stages:
            return self
        await self._body
        stdin: Any = self._body.fileno()
        opened: "List[socket.socket]" = []
        try:
            for i, command in enumerate(self._commands):
                last = i == len(self._commands) - 1
                options = {"stdout": asyncio.subprocess.PIPE, **self._options} if last else {}
                reader = writer = None
                if not last:
                    reader, writer = make_pair()
                    opened.append(reader)
                    options["stdout"] = writer.fileno()
                self._links.append(writer)
                self._stages.append(await asyncio.create_subprocess_exec(*command, stdin=stdin, start_new_session=True, **options))
                stdin = reader.fileno() if reader else None
            self.stdout = self._stages[-1].stdout
        except BaseException:
            self._kill()
            await self._reap(1)
            raise
        finally:
            for reader in opened:
                reader.close()
            self._body._shut()  # the first stage has it
        if self._failed:
            self._kill()  # the body was cut while they started
        self._watch = [asyncio.get_running_loop().create_task(self._follow(i)) for i in range(len(self._stages))]
        return self

    async def _follow(self, i: int) -> None:
        """A stage to its end: then the next one may see an end, or all are killed."""
        status = await self._stages[i].wait()
        if status != 0 and self._left(i) and await self._content(i + 1):
            self._excused.add(i)
        elif status != 0:
            self._kill()
        self._let_go(i)

    async def _content(self, i: int) -> bool:
        """A stage has ended well, or failed only as the next one had had enough."""
        await asyncio.wait([self._watch[i]])
        return self._stages[i].returncode == 0 or i in self._excused

    def _left(self, i: int) -> bool:
        """The next stage reads no more: if it is content with that, this one's failure (SIGPIPE, ECONNRESET) is none, as in
        a shell without pipefail."""
        link = self._links[i]
        if link is None:
            return False
        look = select.poll()
        look.register(link, 0)
        return bool(look.poll(0))

    def _let_go(self, i: int) -> None:
        link = self._links[i]
        if link is None:
            return
        if not self._failed:
            link.recv(1, socket.MSG_DONTWAIT)
        link.close()
        self._links[i] = None

    def _kill(self) -> None:
        self._failed = True
        for stage in self._stages:
            kill_group(stage)

    def _leave(self) -> None:
        """The caller wants no more of the output: the job is done with a part of the body. The stages are killed: one that
        prints nothing would never notice."""
        if not self._failed:
            self._body._say(0)
            self._kill()

    async def _reap(self, status: int) -> None:
        try:
            await self._drain()
            for stage in self._stages:
                await stage.wait()
            for i in range(len(self._links)):
                self._let_go(i)
            await self._body.close(status)
        except (JobFailed, ConnectionLost, ValueError):
            pass
        finally:
            self._body._drop()

    async def _drain(self) -> None:
        """What nobody reads any more of the last stage's output: asyncio sees the end of a process only behind the end of
        its pipes."""
        try:
            while self.stdout is not None and await self.stdout.read(PIECE):
                pass
        except RuntimeError:
            pass  # another task reads it

    async def output(self) -> bytes:
        """All that the last stage prints, once everything has ended well. Reads while it runs."""
        if self.stdout is None:
            raise ValueError("the last stage's output goes elsewhere")
        data = await self.stdout.read()
        await self.wait()
        return data

    async def lines(self) -> AsyncIterator[bytes]:
        """The last stage's lines as they come; an exception at their end if anything failed. Who leaves before has had
        enough: the stages are killed, and the job is done with a part of the body."""
        if self.stdout is None:
            raise ValueError("the last stage's output goes elsewhere")
        try:
            async for line in self.stdout:
                self._part = True
                yield line
            self._part = False
        except GeneratorExit:
            self._leave()
            raise
        await self.wait()

    async def wait(self) -> Verdict:
        """Until all have ended. StageFailed if a command failed, JobFailed if the body did not arrive whole. Does not read
        `stdout`: if the last stage prints more than a pipe holds, somebody must, or it never ends. What killed stages have
        left there is read, as nobody wants it any more."""
        if self._failed:
            await self._drain()
        await asyncio.wait(self._watch)  # unlike gather, leaves them be if this one is cancelled
        for watch in self._watch:
            watch.result()
        codes = [stage.returncode or 0 for stage in self._stages]
        bad = [code for i, code in enumerate(codes) if code != 0 and i not in self._excused]
        try:
            return await self._body.close(0 if not bad and not self._failed else 1)
        except JobFailed as error:
            if bad and error.kind == "parser_failed":
                raise StageFailed(error.verdict, codes) from None
            raise


class Job:
    """A job of the queue, which outlives this program. Awaited, it is submitted."""

    def __init__(self, connection: "Connection", job: Dict[str, Any]) -> None:
        self._connection = connection
        self._job = job
        self.id = 0  # once it is submitted
        self._verdict: Optional[Verdict] = None

    def __await__(self) -> Generator[Any, None, "Job"]:
        return self._submit().__await__()

    async def _submit(self) -> "Job":
        if not self.id:
            self.id = (await self._connection.call("submit", self._job))["id"]
        return self

    async def verdict(self) -> Verdict:
        """Waits for it. Does not raise for a job that has failed."""
        await self._submit()
        if self._verdict is None:
            async for line in self._connection.follow(ids=[self.id], events=["verdict"]):
                self._verdict = Verdict.of(line)
        assert self._verdict is not None
        return self._verdict

    async def records(self) -> AsyncIterator[Any]:
        """The records of the whole body: they are held back until it is known to be whole, unless `deliver="stream"` was
        given, with which a body that is tried again gives its first records once more. JobFailed at their end if the job
        is not done; LinesMissed if they were read too slowly to be kept."""
        if self.id:
            raise ValueError("records are followed from the submission on: call records() before the job is awaited")
        job = {"deliver": "commit", **self._job, "follow": True}
        wire = Wire(await find_socket(self._connection.path))
        try:
            self.id = (await wire.call("submit", job))["id"]
            while self._verdict is None:
                method, params = await wire.note()
                if method in ("missed", "overflow"):
                    raise LinesMissed(f"job {self.id}: {params.get('lines')} lines were left out")
                if params.get("event") == "record":
                    yield params["data"]
                elif params.get("event") == "verdict":
                    self._verdict = Verdict.of(params)
        finally:
            wire.close()
        if not self._verdict.done:
            raise JobFailed(self._verdict)

    async def cancel(self) -> None:
        await self._connection.call("cancel", {"ids": [(await self._submit()).id]})


class Connection:
    """penstockd. Bodies and followed lines have connections of their own; calls share one."""

    def __init__(self, path: Optional[str]) -> None:
        self.path = path
        self._wire: Optional[Wire] = None

    def __await__(self) -> Generator[Any, None, "Connection"]:
        return self._connect().__await__()

    async def __aenter__(self) -> "Connection":
        return await self._connect()

    async def __aexit__(self, *unused: Any) -> None:
        self.close()

    async def _connect(self) -> "Connection":
        if self._wire is None or self._wire.lost is not None:  # the daemon may have been started again
            made = await find_socket(self.path)
            if self._wire is None or self._wire.lost is not None:
                self._wire = Wire(made)
            else:
                made.close()  # another call was sooner
        return self

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    async def call(self, method: str, params: Any = None) -> Any:
        """Any method of the protocol: its result, or Refused."""
        await self._connect()
        assert self._wire is not None
        return await self._wire.call(method, params)

    def open(self, url: str, **options: Any) -> Body:
        """A body: await it, or use it in `async with`."""
        return Body(self.path, job_of(url, options))

    def pipeline(self, url: str, *stages: Sequence[str], job: Optional[Dict[str, Any]] = None, **options: Any) -> Pipeline:
        """`options` are of create_subprocess_exec for the last stage (stdout, cwd, env …), `job` the body's."""
        return Pipeline(self.path, job_of(url, job or {}), stages, options)

    async def run(self, url: str, *command: str, job: Optional[Dict[str, Any]] = None, **options: Any) -> Verdict:
        """One command, whose standard input is the body; its output is this program's own unless `stdout` says otherwise."""
        pipeline = await self.pipeline(url, command, job=job, **{"stdout": None, **options})
        try:
            return await pipeline.wait()
        except asyncio.CancelledError:
            pipeline._kill()
            await pipeline._reap(1)
            raise

    def submit(self, url: str, **options: Any) -> Job:
        """A job of the queue: `await` it to submit, or ask for its records() or verdict()."""
        return Job(self, job_of(url, options))

    async def follow(self, **selection: Any) -> AsyncIterator[Dict[str, Any]]:
        """Lines of the log as they come: ids=[…], or what `list` selects by; events=["record", …]. LinesMissed if they are
        read too slowly."""
        wire = Wire(await find_socket(self.path))
        try:
            await wire.call("follow", selection)
            while True:
                method, params = await wire.note()
                if method in ("missed", "overflow"):
                    raise LinesMissed(f"{params.get('lines')} lines were left out")
                if method == "end":
                    return
                yield params
        finally:
            wire.close()

    async def schedules(self) -> AsyncIterator[Dict[str, Any]]:
        """In the order of their names."""
        page: Dict[str, Any] = {"next": ""}
        while page["next"] is not None:
            page = await self.call("schedule_list", {"after": page["next"]} if page["next"] else {})
            for schedule in page["schedules"]:
                yield schedule

    async def schedule_add(self, name: str, url: str, **options: Any) -> Any:
        """every="5min" or cron="30 2 * * mon-fri", timezone=…, and the options of its jobs."""
        return await self.call("schedule_add", {"name": name, **job_of(url, options)})

    async def schedule_run(self, name: str) -> Any:
        return await self.call("schedule_run", {"name": name})

    async def schedule_remove(self, name: str) -> Any:
        return await self.call("schedule_remove", {"name": name})


def connect(socket: Optional[str] = None) -> Connection:
    """To the daemon at a socket's path; None: as penstockctl finds it. Await it, or use it in `async with`."""
    return Connection(socket)

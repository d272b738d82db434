"""The face without asyncio: the same objects, whose calls wait. A thread of the connection's own has the loop.

    with penstock.blocking.connect() as p:
        with p.open(url) as body:
            module.parse(body.fileno())
        print(p.pipeline(url, ["jq", "."], ["wc", "-l"]))
        for record in p.submit(url, parser="csv").records():
            print(record)
"""
from __future__ import annotations

import asyncio
import io
import threading
from typing import Any, AsyncIterator, Coroutine, Dict, Iterator, Optional, Sequence, TypeVar

from . import _async
from ._errors import Incomplete
from ._verdict import Verdict

T = TypeVar("T")


class Loop:
    """A thread that runs coroutines for others."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="penstock", daemon=True)
        self.thread.start()

    def run(self, coroutine: "Coroutine[Any, Any, T]") -> T:
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def each(self, items: "AsyncIterator[T]") -> Iterator[T]:
        async def following() -> Any:
            return await items.__anext__()

        async def end() -> None:
            await items.aclose()  # type: ignore[attr-defined]
        try:
            while True:
                try:
                    yield self.run(following())
                except StopAsyncIteration:
                    return
        finally:
            self.run(end())

    def stop(self) -> None:
        """Whoever waits for a coroutine gets its cancellation."""
        async def end() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self.run(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


async def _waited(thing: Any) -> Any:
    return await thing


class Body(io.RawIOBase):
    """A body as a raw file: io.BufferedReader(body) buffers it. Its fileno() can be read as well, or handed on. A read
    after a cut raises Incomplete, an OSError."""

    def __init__(self, loop: Loop, body: _async.Body) -> None:
        super().__init__()
        self._loop = loop
        self._body = body
        loop.run(_waited(body))

    @property
    def job(self) -> int:
        return self._body.job

    @property
    def verdict(self) -> Optional[Verdict]:
        return self._body.verdict

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._body.fileno()

    def readinto(self, buffer: Any) -> int:
        reader = self._body._reader
        if reader is None:
            raise ValueError("the body is closed")
        try:
            if self._body._cut:
                raise ConnectionResetError
            return reader.recv_into(buffer)
        except ConnectionResetError:
            raise Incomplete(self._loop.run(self._body._why())) from None

    def finish(self, result: int = 0) -> Verdict:
        """As penstock.Body.close: the verdict, or JobFailed."""
        try:
            return self._loop.run(self._body.close(result))
        finally:
            super().close()

    def close(self) -> None:
        """Without a word of how the reader ended: the job is cancelled if it has not ended."""
        if not self.closed:
            super().close()
            if self._loop.thread.is_alive():
                self._loop.loop.call_soon_threadsafe(self._body._drop)

    def __exit__(self, kind: Any, *unused: Any) -> None:
        if self.closed:
            return
        try:
            self.finish(0 if kind is None else 1)
        except _async.JobFailed:
            if kind is None:
                raise


class Job:
    def __init__(self, loop: Loop, job: _async.Job) -> None:
        self._loop = loop
        self._job = job

    @property
    def id(self) -> int:
        """Submits it, if that was not done."""
        return self._loop.run(_waited(self._job)).id

    def verdict(self) -> Verdict:
        return self._loop.run(self._job.verdict())

    def records(self) -> Iterator[Any]:
        return self._loop.each(self._job.records())

    def cancel(self) -> None:
        self._loop.run(self._job.cancel())


class Connection:
    def __init__(self, path: Optional[str]) -> None:
        self._loop = Loop()
        try:
            self._connection = self._loop.run(_waited(_async.connect(path)))
        except BaseException:
            self._loop.stop()
            raise

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *unused: Any) -> None:
        self.close()

    def close(self) -> None:
        async def end() -> None:
            self._connection.close()
        if self._loop.thread.is_alive():
            self._loop.run(end())
            self._loop.stop()

    def call(self, method: str, params: Any = None) -> Any:
        return self._loop.run(self._connection.call(method, params))

    def open(self, url: str, **options: Any) -> Body:
        return Body(self._loop, self._connection.open(url, **options))

    def run(self, url: str, *command: str, job: Optional[Dict[str, Any]] = None, **options: Any) -> Verdict:
        return self._loop.run(self._connection.run(url, *command, job=job, **options))

    def pipeline(self, url: str, *stages: Sequence[str], job: Optional[Dict[str, Any]] = None, **options: Any) -> bytes:
        """What the last stage prints; nothing if its output goes elsewhere (`stdout`)."""
        async def whole() -> bytes:
            async with self._connection.pipeline(url, *stages, job=job, **options) as made:
                return b"" if made.stdout is None else await made.output()
        return self._loop.run(whole())

    def submit(self, url: str, **options: Any) -> Job:
        return Job(self._loop, self._connection.submit(url, **options))

    def follow(self, **selection: Any) -> Iterator[Dict[str, Any]]:
        return self._loop.each(self._connection.follow(**selection))

    def schedules(self) -> Iterator[Dict[str, Any]]:
        return self._loop.each(self._connection.schedules())


def connect(socket: Optional[str] = None) -> Connection:
    """As penstock.connect."""
    return Connection(socket)

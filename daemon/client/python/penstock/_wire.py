"""The control socket, for asyncio: one JSON object a line (penstock-protocol(7)). Descriptors go along by SCM_RIGHTS, which
asyncio's streams cannot do, so this reads and writes a socket by itself."""
from __future__ import annotations

import array
import asyncio
import collections
import json
import os
import socket
from typing import Any, Deque, Dict, List, Optional, Tuple

from ._errors import ConnectionLost, Refused

KINDS = {-32700: "parse_error", -32600: "invalid_request", -32601: "method_not_found", -32602: "invalid_params", -32603: "internal"}
QUEUED = 256  # notifications that wait to be taken; then the socket is not read any more
READ = 1 << 16
RETRY = 0.005  # seconds


async def connect_to(made: socket.socket, place: str) -> None:
    """Where others wait already, as many as the kernel queues, connect(2) would wait as well, and nothing tells when it is
    worth while again."""
    made.setblocking(False)
    while True:
        try:
            made.connect(place)
            return
        except BlockingIOError:
            await asyncio.sleep(RETRY)


async def find_socket(path: Optional[str]) -> socket.socket:
    """Connects as penstockctl does: to `path`, $PENSTOCK_SOCKET, the user's own daemon, the system's."""
    given = path or os.environ.get("PENSTOCK_SOCKET")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    places = [given] if given else [f"{runtime}/penstock/control.sock"] if runtime else [f"/tmp/penstock-{os.getuid()}/control.sock"]
    if not given:
        places.append("/run/penstock/control.sock")
    fault: Optional[OSError] = None
    for place in places:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if not given and place.startswith("/tmp/"):
                status = os.lstat(os.path.dirname(place))
                if status.st_uid != os.getuid() or status.st_mode & 0o022:
                    raise PermissionError(f"{os.path.dirname(place)} is not this user's alone")
            await connect_to(made, place)
        except OSError as error:
            made.close()
            fault = error
            continue
        except BaseException:
            made.close()
            raise
        return made
    raise ConnectionLost(f"{places[-1]}: {fault}: is penstockd running?") from fault


class Wire:
    """One connection. Of one loop."""

    def __init__(self, made: socket.socket) -> None:
        self.socket = made
        self.loop = asyncio.get_running_loop()
        self.waiting: Dict[int, "asyncio.Future[Any]"] = {}
        self.notes: "Deque[Tuple[str, Dict[str, Any]]]" = collections.deque()
        self.news = asyncio.Event()  # something is in `notes`, or the connection is lost
        self.lost: Optional[ConnectionLost] = None
        self.buffer = bytearray()
        self.scanned = 0
        self.out: "Deque[Tuple[memoryview, List[int]]]" = collections.deque()
        self.next_id = 0
        self.reading = False
        self.read_on()

    # --- in ---

    def read_on(self) -> None:
        if not self.reading and self.lost is None:
            self.loop.add_reader(self.socket.fileno(), self.on_readable)
            self.reading = True

    def hold(self) -> None:
        if self.reading:
            self.loop.remove_reader(self.socket.fileno())
            self.reading = False

    def on_readable(self) -> None:
        try:
            data = self.socket.recv(READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.lose(str(error))
            return
        if not data:
            self.lose("penstockd has closed the connection")
            return
        self.buffer += data
        self.take_lines()

    def take_lines(self) -> None:
        start = 0
        while True:
            end = self.buffer.find(b"\n", max(start, self.scanned))
            if end < 0:
                break
            try:
                self.on_line(json.loads(self.buffer[start:end]))
            except (ValueError, LookupError, TypeError, AttributeError):
                self.lose("this is not penstock's protocol")
                return
            start = end + 1
        del self.buffer[:start]
        self.scanned = len(self.buffer)
        if len(self.notes) >= QUEUED:
            self.hold()

    def on_line(self, message: Dict[str, Any]) -> None:
        if "method" in message:
            self.notes.append((message["method"], message.get("params") or {}))
            self.news.set()
            return
        # Without an id it is about a line that could not be taken, and the first call is the one that waits.
        future = self.waiting.pop(message.get("id") or next(iter(self.waiting), 0), None)
        if future is None or future.done():
            return
        error = message.get("error")
        if error is None:
            future.set_result(message["result"])
        else:
            data = error.get("data") or {}
            kind = data.get("kind") or KINDS.get(error["code"], "error")
            future.set_exception(Refused(error["message"], kind, error["code"], data.get("field")))

    def lose(self, why: str) -> None:
        if self.lost is not None:
            return
        self.hold()
        self.loop.remove_writer(self.socket.fileno())
        self.lost = ConnectionLost(why)
        self.socket.close()
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(ConnectionLost(why))
        self.waiting.clear()
        for _, fds in self.out:
            for fd in fds:
                os.close(fd)
        self.out.clear()
        self.news.set()

    async def note(self) -> Tuple[str, Dict[str, Any]]:
        """The next notification; ConnectionLost once there will be none."""
        while not self.notes:
            if self.lost is not None:
                raise ConnectionLost(str(self.lost))
            self.news.clear()
            await self.news.wait()
        taken = self.notes.popleft()
        if len(self.notes) < QUEUED // 2:
            self.read_on()
        return taken

    # --- out ---

    def call(self, method: str, params: Any = None, fd: int = -1) -> "asyncio.Future[Any]":
        """Queues a call, with a descriptor of which it takes ownership (-1: none). Its answer."""
        future: "asyncio.Future[Any]" = self.loop.create_future()
        if self.lost is not None:
            if fd >= 0:
                os.close(fd)
            future.set_exception(ConnectionLost(str(self.lost)))
            return future
        message = {"jsonrpc": "2.0", "id": self.next_id + 1, "method": method}
        if params is not None:
            message["params"] = params
        try:
            line = json.dumps(message).encode() + b"\n"
        except BaseException:
            if fd >= 0:
                os.close(fd)
            raise
        self.next_id += 1
        self.waiting[self.next_id] = future
        self.out.append((memoryview(line), [fd] if fd >= 0 else []))
        self.write()
        return future

    def write(self) -> None:
        while self.out:
            data, fds = self.out[0]
            control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
            try:
                sent = self.socket.sendmsg([data], control, socket.MSG_NOSIGNAL)
            except (BlockingIOError, InterruptedError):
                self.loop.add_writer(self.socket.fileno(), self.write)
                return
            except OSError:
                break  # reading tells why
            for fd in fds:
                os.close(fd)
            self.out[0] = (data[sent:], [])
            if sent == len(data):
                self.out.popleft()
        self.loop.remove_writer(self.socket.fileno())

    def close(self) -> None:
        self.lose("the connection was closed here")

# label: sanitize
"""Origins that send what HTTP has, without measure or against its rules: heads, trailers, chunks, and the frames of HTTP/2.
Each has its kind, takes bounded memory, and a fetch loop serves its others meanwhile."""
import contextlib
import itertools
import socket
import ssl
import struct
import threading
import time

import penstock_test
from penstock_test import PATIENCE, cpu_of, memory_of
from test_requests import Certificates

MEMORY = 64 << 20  # that the daemon may take for one such transfer

# --- HTTP/1 --------------------------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def endless(piece):
    return itertools.repeat(piece)


# What comes after the request, piece by piece; the kinds of failure that are right.
HTTP1 = {
    "1xx without end": (endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 400), "limit_exceeded"),
    "early hints without end": (endless(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 400), "limit_exceeded"),
    "fields without end": (itertools.chain([OK], endless(b"X: y\r\n" * 2000)), "limit_exceeded"),
    "a field without end": (itertools.chain([OK, b"X: "], endless(b"y" * 16384)), "limit_exceeded"),
    "a folded field without end": (itertools.chain([OK, b"X: y\r\n"], endless(b" y\r\n" * 4000)), "limit_exceeded"),
    "a status line without end": (itertools.chain([b"HTTP/1.1 200 "], endless(b"O" * 16384)), "limit_exceeded"),
    "cookies without end": (itertools.chain([OK], (b"Set-Cookie: a%d=b\r\n" % i * 100 for i in itertools.count())), "limit_exceeded"),
    "trailers without end": (itertools.chain([CHUNKED, b"5\r\nhello\r\n0\r\n"], endless(b"X: y\r\n" * 2000)), "limit_exceeded"),
    "a trailer without end": (itertools.chain([CHUNKED, b"5\r\nhello\r\n0\r\nX: "], endless(b"y" * 16384)), "limit_exceeded protocol"),
    "a chunk's extension without end": (itertools.chain([CHUNKED, b"5;a="], endless(b"y" * 16384)), "stalled protocol limit_exceeded"),
    "a chunk's size without end": (itertools.chain([CHUNKED], endless(b"0" * 16384)), "protocol"),
    "empty lines without end": (endless(b"\r\n" * 8000), "protocol limit_exceeded first_byte_timeout"),
    "NULs without end": (endless(bytes(16384)), "protocol limit_exceeded"),
    "a trailer that takes the length back": ([CHUNKED + b"5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n"], None),
    "another answer after the head": ([b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello" + OK], None),
    "101": ([b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"], "protocol"),
    "99": ([b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n"], "protocol"),
    "1000": ([b"HTTP/1.1 1000 X\r\nContent-Length: 0\r\n\r\n"], "protocol"),
}

# --- HTTP/2 --------------------------------------------------------------------------------------------

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK, PADDED = 1, 4, 1, 8
STATUS_200, STATUS_100 = b"\x88", b"\x08\x03100"


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    return struct.pack("!IBBI", len(payload) if length is None else length, kind, flags, stream)[1:] + payload


def field(name, value):
    """Never indexed, not Huffman's (RFC 7541, 6.2.3)."""
    def text(data):
        size = len(data)
        return (bytes([size]) if size < 127 else b"\x7f" + number(size - 127)) + data

    def number(n):
        out = b""
        while n >= 128:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n])
    return b"\x10" + text(name) + text(value)


HEAD = frame(HEADERS, END_HEADERS, 1, STATUS_200)
WHOLE = HEAD + frame(DATA, END_STREAM, 1, b"hello")
PART = HEAD + frame(DATA, 0, 1, b"hel")
# What is not HTTP/2 is told by libcurl as the connection's end, or not at all; as `tls` if its ways of reading differ.
BROKEN = "protocol connect truncated stalled first_byte_timeout"


def head(*fields, flags=END_HEADERS):
    return frame(HEADERS, flags, 1, b"".join(fields))


def body(data=b"hello", flags=END_STREAM):
    return frame(DATA, flags, 1, data)


def without_end(*pieces):
    """All but the last, then that for ever."""
    return itertools.chain(pieces[:-1], endless(pieces[-1]))


MEASURELESS = {
    "continuations": without_end(head(STATUS_200, flags=0), frame(CONTINUATION, 0, 1, field(b"x", b"y")) * 500),
    "empty continuations": without_end(head(STATUS_200, flags=0), frame(CONTINUATION, 0, 1) * 1000),
    "1xx": without_end(head(STATUS_100) * 500),
    "settings": without_end(HEAD, frame(SETTINGS) * 1000),
    "settings of many": without_end(HEAD, frame(SETTINGS, payload=struct.pack("!HI", 4, 65535) * 2000)),
    "pings": without_end(HEAD, frame(PING, payload=bytes(8)) * 1000),
    "priorities": without_end(HEAD, frame(PRIORITY, stream=1, payload=bytes(5)) * 1000),
    "unknown frames": without_end(HEAD, frame(99, 0, 1, b"x" * 100) * 200),
    "window updates": without_end(HEAD, frame(WINDOW_UPDATE, payload=struct.pack("!I", 1)) * 1000),
    "empty data": without_end(HEAD, body(b"", 0) * 1000),
    "padding": without_end(HEAD, body(b"\xff" + bytes(255), PADDED) * 50),
    "resets of others": without_end(HEAD, frame(RST_STREAM, 0, 3, bytes(4)) * 1000),
    "alternative services": without_end(HEAD, frame(10, 0, 1, b'\0\0h2=":1"') * 500),
    "priorities, and a byte of the body now and then": without_end(HEAD, frame(PRIORITY, stream=1, payload=bytes(5)) * 1000 + body(b"x", 0)),
}

# What comes after the head, or after the head and a part of the body, and ends neither.
NO_END = {
    "a reset": frame(RST_STREAM, 0, 1, struct.pack("!I", 2)),
    "a reset without an error": frame(RST_STREAM, 0, 1, bytes(4)),
    "a reset by a protocol's error": frame(RST_STREAM, 0, 1, struct.pack("!I", 1)),
    "a refusal": frame(RST_STREAM, 0, 1, struct.pack("!I", 7)),
    "a reset of an idle stream": frame(RST_STREAM, 0, 3, bytes(4)),
    "goodbye": frame(GOAWAY, payload=struct.pack("!II", 0, 0)),
    "goodbye after this": frame(GOAWAY, payload=struct.pack("!II", 1, 0)),
    "goodbye for an error": frame(GOAWAY, payload=struct.pack("!II", 1, 2)),
    "odd settings": frame(SETTINGS, payload=b"abc"),
    "an answer to settings with settings": frame(SETTINGS, ACK, 0, bytes(6)),
    "a short ping": frame(PING, payload=b"x"),
    "a priority of nothing": frame(PRIORITY, payload=bytes(5)),
    "a window update of nothing": frame(WINDOW_UPDATE, 0, 0, bytes(4)),
    "a stream's window update of nothing": frame(WINDOW_UPDATE, 0, 1, bytes(4)),
    "a window that overflows": frame(WINDOW_UPDATE, 0, 1, struct.pack("!I", 0x7fffffff)),
    "the connection's window overflows": frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", 0x7fffffff)),
    "data of no stream": frame(DATA, END_STREAM, 0, b"lo"),
    "data of an idle stream": frame(DATA, END_STREAM, 3, b"lo"),
    "a head of an idle stream": frame(HEADERS, END_HEADERS | END_STREAM, 3, STATUS_200),
    "a push": frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack("!I", 2) + STATUS_200),
    "a continuation of nothing": frame(CONTINUATION, END_HEADERS, 1),
    "a frame that is too large": body(b"x" * 20_000, 0),
    "more padding than there is": body(b"\xff", PADDED),
    "half a frame": frame(DATA, END_STREAM, 1, b"lo", 5000),
    "HTTP/1": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "nothing": b"",
}

HTTP2 = {
    "right": ([HEAD + body()], None),
    "padded": ([HEAD + body(b"\x05hello" + bytes(5), END_STREAM | PADDED)], None),
    "trailers": ([HEAD + body(flags=0) + head(field(b"x", b"y"), flags=END_HEADERS | END_STREAM)], None),
    "data after the end": ([HEAD + body() + body(b"more") * 1000], None),
    "large fields": ([head(STATUS_200, flags=0), *(frame(CONTINUATION, 0, 1, field(b"x", b"y" * 16000)) for _ in range(25)),
                      frame(CONTINUATION, END_HEADERS, 1) + body()], BROKEN + " limit_exceeded"),
    # One field of 4,000 bytes is put into the table, then named ten thousand times by a byte each.
    "a bomb of fields": ([head(STATUS_200, b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4000 + b"\xbe" * 10_000) + body()], BROKEN + " limit_exceeded"),
    # Whoever goes back to HTTP/1.1 is told there that there is nothing, in as many bytes.
    "a wish for HTTP/1.1 in mid-answer": ([head(STATUS_200, field(b"content-length", b"5")), 0.3, frame(RST_STREAM, 0, 1, struct.pack("!I", 13))],
                                          BROKEN),
    "a head of another stream": ([frame(HEADERS, END_HEADERS | END_STREAM, 2, STATUS_200)], BROKEN),
    "data before the head": ([body()], BROKEN),
    "data inside a head": ([head(STATUS_200, flags=0) + body()], BROKEN),
    "no status": ([head(field(b"x", b"y")) + body()], BROKEN),
    "two states": ([head(STATUS_200 * 2) + body()], BROKEN),
    "a status that is none": ([head(b"\x08\x032x0") + body()], BROKEN),
    "a status after a field": ([head(field(b"x", b"y"), STATUS_200) + body()], BROKEN),
    "a field in capitals": ([head(STATUS_200, field(b"Content-Length", b"5")) + body()], BROKEN),
    "a field of the connection": ([head(STATUS_200, field(b"transfer-encoding", b"chunked")) + body()], BROKEN),
    "a field that breaks lines": ([head(STATUS_200, field(b"x", b"y\r\ncontent-length: 3")) + body()], BROKEN),
    "too short a body": ([head(STATUS_200, field(b"content-length", b"9")) + body()], BROKEN),
    "too long a body": ([head(STATUS_200, field(b"content-length", b"3")) + body()], BROKEN),
    "no body": ([head(STATUS_200, field(b"content-length", b"5"), flags=END_HEADERS | END_STREAM)], BROKEN),
    "two lengths": ([head(STATUS_200, field(b"content-length", b"5"), field(b"content-length", b"6")) + body()], BROKEN),
    "trailers with a status": ([HEAD + body(flags=0) + head(STATUS_200, flags=END_HEADERS | END_STREAM)], BROKEN),
    "trailers that do not end": ([HEAD + body(flags=0) + head(field(b"x", b"y"))], BROKEN),
    "a table that is too large": ([head(b"\x3f\xe1\xff\xff\x7f", STATUS_200) + body()], BROKEN),
    "an index of nothing": ([head(STATUS_200, b"\xff\xff\xff\x7f") + body()], BROKEN),
    "words": ([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"], BROKEN),
}
for what, after in NO_END.items():
    HTTP2[f"{what} after the head"] = ([HEAD + after, None], BROKEN)
    HTTP2[f"{what} after the head, alone"] = ([HEAD, 0.05, after, None], BROKEN)
    HTTP2[f"{what} after a part, alone"] = ([PART, 0.05, after, None], BROKEN)


class Origin:
    """Answers each request at /N by the N-th answer: pieces that are sent until the other side is gone; a number is a nap, None
    closes."""

    def __init__(self, test, answers, context=None):
        self.answers = answers
        self.context = context
        self.listener = socket.create_server(("0.0.0.0", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        test.addCleanup(self.close)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def url(self, number):
        """Each of its own address, so that no connection is used again."""
        return f"{'https' if self.context else 'http'}://127.0.0.{number + 1}:{self.port}/{number}"

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError, ssl.SSLError, ValueError), connection:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
                if connection.selected_alpn_protocol() != "h2":
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nwrong")
                    return
                number = self.request_of_http2(connection)
            else:
                number = int(connection.recv(65536).split()[1][1:])
            for piece in self.answers[number]:
                if piece is None:
                    break
                if isinstance(piece, float):
                    time.sleep(piece)  # so that what follows is read by itself
                    continue
                connection.sendall(piece)
            else:
                connection.settimeout(20)
                while connection.recv(65536):
                    pass
            connection.close()

    @staticmethod
    def request_of_http2(connection):
        """Reads up to the request, whose path is sent as it is, or by Huffman's code (digits are five or six bits)."""
        connection.sendall(frame(SETTINGS))
        data = b""
        while True:
            piece = connection.recv(65536)
            if not piece:
                raise OSError
            data += piece
            at = 24
            while at + 9 <= len(data):
                length = int.from_bytes(data[at:at + 3], "big")
                if data[at + 3] == HEADERS and at + 9 + length <= len(data):
                    return path_of(data[at + 9:at + 9 + length])
                at += 9 + length


def path_of(block):
    """The number in the field :path of a request."""
    at = block.index(b"\x04") + 1  # a literal whose name is the table's fourth (or 0x44)
    return int(text_at(block, at)[1:])


def text_at(block, at):
    size = block[at] & 127
    data = block[at + 1:at + 1 + size]
    if not block[at] & 128:
        return data.decode()
    codes = {"011000": "/", "00000": "0", "00001": "1", "00010": "2", "011001": "3", "011010": "4", "011011": "5", "011100": "6",
             "011101": "7", "011110": "8", "011111": "9"}
    bits, out = "".join(f"{b:08b}" for b in data), ""
    while bits and not set(bits) == {"1"}:
        code = next(c for c in codes if bits.startswith(c))
        out, bits = out + codes[code], bits[len(code):]
    return out


class Http(penstock_test.Case):
    def start(self, **kwargs):
        self.plain = self.origin()  # in a process of its own: this one is busy
        daemon = self.daemon({"defaults.max_attempts": "1", "defaults.first_byte_timeout": "5s", "defaults.stall_timeout": "5s",
                              "fetch.host_connections": "6", "fetch.breaker_failures": "0", "fetch.threads": "1",
                              **kwargs.pop("settings", {})}, **kwargs)
        self.assert_verdict(daemon.job(self.plain.url("/bytes?n=100")), "done")
        return daemon

    def assert_end(self, verdict, kinds):
        kind = (verdict.get("error") or {}).get("kind")
        self.assertEqual(verdict["state"], "failed" if kinds else "done", verdict)
        self.assertIn(kind, kinds.split() if kinds else (None,), verdict)

    def check(self, daemon, table, context=None):
        names = list(table)
        origin = Origin(self, [table[n][0] for n in names], context)
        before = memory_of(daemon.pid)
        jobs = [daemon.submit(origin.url(i)) for i in range(len(names))]
        for name, job in zip(names, jobs):
            with self.subTest(what=name):
                self.assert_end(daemon.verdict(job, 120), table[name][1])
        if not penstock_test.SANITIZED:
            self.assertLess(memory_of(daemon.pid) - before, MEMORY)

    def check_measureless(self, daemon, table, context=None):
        """One after another; meanwhile other jobs go on."""
        for name, (pieces, kinds) in table.items():
            with self.subTest(what=name):
                before = memory_of(daemon.pid)
                origin = Origin(self, [pieces], context)
                job = daemon.submit(origin.url(0))
                while not daemon.events("verdict", job):
                    began = cpu_of(daemon.pid)
                    other = daemon.submit(self.plain.url("/bytes?n=100"))
                    self.assert_verdict(daemon.verdict(other, 10 * penstock_test.DEADLINE), "done")
                    if not penstock_test.SANITIZED:  # which make a loop's work ten times as long, or a thousand
                        self.assertLess(cpu_of(daemon.pid) - began, 5)
                        self.assertLess(memory_of(daemon.pid) - before, MEMORY)
                self.assert_end(daemon.verdict(job), kinds)
                origin.close()

    def test_http1(self):
        daemon = self.start()
        self.check_measureless(daemon, {n: t for n, t in HTTP1.items() if "without end" in n})
        self.check(daemon, {n: t for n, t in HTTP1.items() if "without end" not in n})

    def secure(self, **settings):
        certs = Certificates(self)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certs.sign("many", "subjectAltName=" + ",".join(f"IP:127.0.0.{i}" for i in range(1, 255))))
        context.set_alpn_protocols(["h2"])
        return context, self.start(settings={"fetch.ca_file": certs.ca, **settings},
                                   config=self.wrote("h2.conf", '[host "*"]\nhttp2 = yes\n'))

    def test_http2(self):
        patience = f"{PATIENCE}s"  # some of them are waited for
        context, daemon = self.secure(**{"defaults.first_byte_timeout": patience, "defaults.stall_timeout": patience,
                                         "fetch.host_connections": "40"})
        self.check(daemon, HTTP2, context)

    def test_http2_without_measure(self):
        context, daemon = self.secure()
        kinds = "protocol connect truncated limit_exceeded"
        self.check_measureless(daemon, {n: (pieces, kinds) for n, pieces in MEASURELESS.items()}, context)


if __name__ == "__main__":
    penstock_test.main()

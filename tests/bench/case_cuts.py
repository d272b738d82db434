"""A body of 200 MB from an origin that ends the connection at random every few megabytes, half of the times by a
reset, half by a close, once in a while by silence. The parser must not notice: the same bytes, one attempt."""
import hashlib
import http.server
import random
import socket
import struct
import threading
import time

from table import figure

SIZE = 200_000_000
ETAG = '"cuts"'
ROUNDS = 3


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, body, cuts):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.cuts, self.requests = memoryview(body), cuts, 0
        self.dice = random.Random(7)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/body"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *unused):
        pass

    def do_GET(self):  # noqa: N802, http.server's name
        web = self.server
        web.requests += 1
        first = 0
        asked = self.headers.get("Range")
        if asked and self.headers.get("If-Range") == ETAG:
            first = int(asked.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{SIZE - 1}/{SIZE}")
        else:
            self.send_response(200)
        self.send_header("ETag", ETAG)
        self.send_header("Content-Length", str(SIZE - first))
        self.end_headers()
        end = min(SIZE, first + web.dice.randrange(500_000, 6_000_000)) if web.cuts else SIZE
        try:
            self.connection.sendall(web.body[first:end])
        except OSError:
            end = 0
        if end == SIZE:
            return
        self.close_connection = True
        how = web.dice.random()
        if how < 0.05:
            self.connection.settimeout(30)
            try:
                self.connection.recv(1)  # silence, until the client goes
            except OSError:
                pass
        elif how < 0.5:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def measure(place):
    body = random.Random(1).randbytes(SIZE)
    digest = hashlib.sha256(body).hexdigest()
    daemon = place.daemon({"fetch.resume_delay": "5ms", "defaults.stall_timeout": "300ms", "defaults.max_attempts": "1"})
    for cuts in (False, True):
        web = Server(body, cuts)
        times, resumes, wrong = [], 0, 0
        for _ in range(ROUNDS):
            began = time.monotonic()
            verdict = daemon.verdict(daemon.submit(web.url(), digest="sha256"), seconds=300)
            times.append(time.monotonic() - began)
            good = verdict["state"] == "done" and (verdict["bytes"], verdict["sha256"]) == (SIZE, digest)
            wrong += not good
            resumes += verdict["resumes"]
        web.shutdown()
        what = "cut" if cuts else "uncut"
        yield figure(f"{what}: seconds, median of {ROUNDS}", sorted(times)[ROUNDS // 2], "s")
        if cuts:
            yield figure(f"{what}: resumes in all", resumes, "", (">=", 100))
            yield figure(f"{what}: requests in all", web.requests, "")
        yield figure(f"{what}: bodies that were not byte-exact in one attempt", wrong, "", ("<=", 0))


CASES = {"cuts": measure}

"""A version soak: 1,000 jobs against origins whose files are replaced at random moments while their connections are cut
at random places. Whatever is `done` is one whole version, byte for byte; how many had to begin anew does not matter.

Most are served by an origin of our own, which has every habit that servers were seen to have: validators of all kinds,
honoured or not, ranges or none, all framings, encodings made anew for each request. What it answers is a snapshot, as a
rename gives it; in place differs in what its tags are made of. The others come from real servers and through real
gateways whose origin is killed and started again, each as far as it can be had."""
import contextlib
import email.utils
import gzip
import hashlib
import http.server
import itertools
import os
import random
import socket
import struct
import threading
import time
import unittest

import servers
from penstock_test import until
from table import figure

JOBS = 1000
SIZE = 150_000
SEED = int(os.environ.get("SEED", "20261130"))  # another one is another run
SETTINGS = {
    "defaults.stall_timeout": "500ms", "defaults.first_byte_timeout": "5s", "defaults.max_attempts": "12",
    "fetch.resume_delay": "2ms", "fetch.retry_delay": "2ms", "fetch.retry_delay_max": "20ms", "fetch.host_connections": "48",
}


class Book:
    """Every version that was ever published: its digest, and of what."""

    def __init__(self):
        self.dice = random.Random(SEED)
        self.lock = threading.Lock()
        self.published = {}

    def version(self, of, size=SIZE):
        with self.lock:
            data = self.dice.randbytes(size)
        with self.lock:
            self.published[hashlib.sha256(data).hexdigest()] = of
        return data

    def chance(self, probability):
        with self.lock:
            return self.dice.random() < probability

    def pick(self, choices):
        with self.lock:
            return self.dice.choice(choices)

    def between(self, low, high):
        with self.lock:
            return self.dice.randrange(low, high)


# --- an origin of our own --------------------------------------------------------------------------------

TAGS = {
    "content": lambda f: f'"{hashlib.sha256(f.data).hexdigest()[:16]}"',
    "time and size": lambda f: f'"{int(f.mtime):x}-{len(f.data):x}"',
    "inode and size": lambda f: f'"{f.inode:x}-{len(f.data):x}"',
    "size": lambda f: f'"{len(f.data):x}"',
    "weak": lambda f: f'W/"{int(f.mtime):x}"',
    "no quotes": lambda f: f"{int(f.mtime):x}-{len(f.data):x}",
    "none": None,
}


class File:
    """One of the origin's files, of its habits. It was written long ago; each change is now."""

    inodes = itertools.count(1000)

    def __init__(self, book, name):
        self.book, self.name, self.lock = book, name, threading.Lock()
        self.tag = TAGS[book.pick(list(TAGS))]
        # A tag that says nothing of the version is never sent without a date: that origin could not be told from itself.
        self.dated = self.tag in (TAGS["size"], TAGS["inode and size"]) or book.chance(0.75)
        self.clock = book.chance(0.8)
        self.ranges, self.if_range = book.chance(0.8), book.pick(["honoured", "ignored", "ignored"])
        self.framing = book.pick(["length", "length", "chunked"])
        self.encoded = book.chance(0.2)
        self.says = book.pick(["all", "all", "tag", "date"])
        self.mtime = time.time() - 1000
        self.inode = next(self.inodes)
        self.data = book.version(name)

    def change(self):
        with self.lock:
            size = SIZE if self.book.chance(0.7) else SIZE + self.book.between(-SIZE // 2, SIZE // 2)
            self.data = self.book.version(self.name, size)
            if self.book.chance(0.6):
                self.inode = next(self.inodes)  # by rename
            self.mtime = time.time()

    def snapshot(self):
        with self.lock:
            fields = {}
            if self.tag:
                fields["ETag"] = self.tag(self)
            if self.dated:
                fields["Last-Modified"] = email.utils.formatdate(int(self.mtime), usegmt=True)
            return self.data, fields


class Mill(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, book):
        super().__init__(("127.0.0.1", 0), Handler)
        self.book, self.files, self.requests, self.changes, self.cuts = book, {}, 0, 0, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, name):
        self.files[name] = File(self.book, name)
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"

    def handle_error(self, *unused):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *unused):
        pass

    def do_GET(self):  # noqa: N802, http.server's name
        web, file = self.server, self.server.files[self.path[1:]]
        book = web.book
        web.requests += 1
        if book.chance(0.25):
            file.change()
            web.changes += 1
        asked = self.headers.get("Range")
        if asked and book.chance(0.1):
            self.reply(file, book.pick([502, 503, 504, 429]), {}, b"not now\n", None)
            return
        data, fields = file.snapshot()
        said = {"all": fields, "tag": {k: v for k, v in fields.items() if k == "ETag"},
                "date": {k: v for k, v in fields.items() if k != "ETag"}}[file.says]
        wanted = self.headers.get("If-Range")
        first = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if asked and file.ranges and first < len(data) and (file.if_range == "ignored" or wanted in fields.values()):
            part = {**said, "Content-Range": f"bytes {first}-{len(data) - 1}/{len(data)}"}
            self.reply(file, 206, part, data[first:], file)
        else:
            self.reply(file, 200, fields, data, file)

    def reply(self, file, status, fields, body, cut):
        book, encoded = self.server.book, file.encoded and status in (200, 206)
        if encoded:  # as it comes, and not twice alike
            body = gzip.compress(body, book.between(1, 9), mtime=book.between(0, 10**9))
            fields = {**fields, "Content-Encoding": "gzip"}
        chunked = encoded or file.framing == "chunked"
        lines = [f"HTTP/1.1 {status} x", *(f"{k}: {v}" for k, v in fields.items())]
        if file.clock:
            lines.append("Date: " + email.utils.formatdate(usegmt=True))
        lines.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        wire = b"".join(b"%x\r\n%b\r\n" % (len(body[i:i + 8000]), body[i:i + 8000]) for i in range(0, len(body), 8000)) + b"0\r\n\r\n" \
            if chunked else body
        if cut and book.chance(0.6):
            self.server.cuts += 1
            self.close_connection = True
            self.wfile.write(head + wire[:book.between(0, len(wire))])
            how = book.between(0, 20)
            if how == 0:
                self.connection.settimeout(30)
                with contextlib.suppress(OSError):
                    self.connection.recv(1)  # silence, until the client goes
            elif how < 10:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.wfile.write(head + wire)


# --- real ones ---------------------------------------------------------------------------------------------

REAL = [
    (servers.Nginx, {}), (servers.Apache, {}), (servers.Apache, {"extra": "FileETag Size"}), (servers.Apache, {"extra": "FileETag None"}),
    (servers.Apache, {"extra": "SetOutputFilter DEFLATE"}), (servers.Lighttpd, {}),
    (servers.Lighttpd, {"extra": 'etag.use-mtime = "disable"'}), (servers.Busybox, {}), (servers.Python, {}), (servers.Webrick, {}),
]
GATEWAYS = [servers.Nginx, servers.Haproxy, servers.Varnish, servers.Squid]


def replace(book, path, of):
    """Another version, by rename or in place: nobody reads it just now, as its only reader has been cut off."""
    data = book.version(of, SIZE if book.chance(0.7) else SIZE + book.between(-SIZE // 2, SIZE // 2))
    if book.chance(0.5):
        new = path.with_suffix(".new")
        new.write_bytes(data)
        os.replace(new, path)
    else:
        path.write_bytes(data)


def once(action):
    """At the first cut: at a later one another request may be reading already."""
    lock = threading.Lock()
    return lambda: lock.acquire(blocking=False) and action()


def write(book, path, of):
    path.write_bytes(book.version(of))
    if book.chance(0.7):
        long_ago = time.time() - 1000
        os.utime(path, (long_ago, long_ago))


class Restarter:
    """Kills a server and starts it again, at random."""

    def __init__(self, book, server):
        self.book, self.server, self.ended, self.kills = book, server, threading.Event(), 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended.wait(self.book.between(200, 800) / 1000):
            self.server.kill()
            self.kills += 1
            time.sleep(self.book.between(0, 150) / 1000)
            self.server.again()

    def stop(self):
        self.ended.set()
        self.thread.join()


def real_jobs(place, book, submit, server, root, name, count):
    """Each has a file and a relay of its own, which cuts it a few times."""
    for i in range(count):
        of = f"{name}-{i}"
        path = root / of
        write(book, path, of)
        relay = servers.Relay(place, server.port, cut=book.between(300, SIZE), cuts=book.between(1, 4), statuses=(200, 206))
        if book.chance(0.6):
            relay.on_cut = once(lambda p=path, o=of: replace(book, p, o))
        submit(relay.url(of), of)


def started(place, kind, *arguments, **options):
    try:
        return kind(place, *arguments, **options)
    except unittest.SkipTest as why:
        print(f"# left out: {why}", flush=True)
        return None


# --- the soak ----------------------------------------------------------------------------------------------

def judge(daemons, book, jobs, seconds):
    """Counts of what came of them; what is done must be a version of what was asked for."""
    counts = {"done": 0, "failed": 0, "wrong": 0, "resumes": 0, "anew": 0}
    for splice, job, of in jobs:
        daemon = daemons[splice]
        verdict = daemon.verdict(job, seconds)
        counts[verdict["state"]] += 1
        counts["resumes"] += verdict["resumes"]
        counts["anew"] += verdict["attempt"] - 1
        if verdict["state"] == "done":
            digest = daemon.records(job)[-1]["sha256"]
            if book.published.get(digest) != of:
                counts["wrong"] += 1
                print(f"# wrong: {of}: {splice} {verdict}", flush=True)
    return counts


def measure(place):
    book = Book()
    total = place.size(JOBS, 60)
    daemons = {splice: place.daemon({**SETTINGS, "fetch.splice_min": "1" if splice else "0"}) for splice in (False, True)}
    jobs, turn = [], itertools.cycle((False, True))

    def submit(url, of):
        splice = next(turn)
        jobs.append((splice, daemons[splice].submit(url, parser="digest", compress="yes", decode="auto"), of))

    began = time.monotonic()
    each = max(1, total // 50)
    root = place.dir / "real"
    root.mkdir()
    kills, known = [], 0
    for number, (kind, options) in enumerate(REAL):
        server = started(place, kind, root, **options)
        if server:
            real_jobs(place, book, submit, server, root, f"real{number}", each)
    for number, kind in enumerate(GATEWAYS):
        backend = started(place, servers.Nginx, root)
        gateway = backend and started(place, kind, backend=backend.port)
        if gateway:
            real_jobs(place, book, submit, gateway, root, f"gateway{number}", each)
            kills.append(Restarter(book, backend))
    known = len(jobs)
    counts = [judge(daemons, book, jobs, 300)]
    for k in kills:
        k.stop()
    web = Mill(book)
    while len(jobs) < total:
        of = f"own{len(jobs)}"
        submit(web.url(of), of)
        if len(jobs) % 50 == 0:  # so that files grow old, and not all at once
            until(lambda: sum(d.call("stats")["jobs"].get("queued", 0) for d in daemons.values()) < 100, "the queue shrinks", 300)
    counts.append(judge(daemons, book, jobs[known:], 300))
    web.shutdown()
    sums = {key: sum(c[key] for c in counts) for key in counts[0]}
    yield figure("jobs", len(jobs), "")
    yield figure("of these against real servers and gateways", known, "")
    yield figure("versions published", len(book.published), "")
    yield figure("resumes", sums["resumes"], "", (">=", total // 6))
    yield figure("attempts that began anew", sums["anew"], "")
    yield figure("origins killed behind gateways", sum(k.kills for k in kills), "")
    yield figure("done", sums["done"], "", (">=", total * 9 // 10))
    yield figure("failed", sums["failed"], "")
    yield figure("done, and not one whole version", sums["wrong"], "", ("<=", 0))
    yield figure("seconds", time.monotonic() - began, "s")


CASES = {"versions": measure}

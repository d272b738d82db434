"""The scenarios of downloads for the sweeps: each is a function of a sweep.Run, with the settings of its daemon beside it.
What is `done` has the records that it had with nothing failing, and what is tried again is `resources`."""
import json
import os
import time
import urllib.parse

import penstock_test
import sweep

SOON = 0.03  # seconds from a submission to its job's start
XML = "<?xml version='1.0' encoding='iso-8859-1'?><a><b c='1'>x<d/></b><b>y</b></a>"
FEED = "<rss version='2.0'><channel><title>t</title><item><title>a &amp; b</title><guid>1</guid></item></channel></rss>"


class Sweep(sweep.Sweep):
    """As sweep.Sweep, for bodies of any path: the same target has the same records, whoever asks."""

    def __init__(self, test, name, scenario, settings=None, allowed=(), **kwargs):
        super().__init__(test, name, scenario, settings, **kwargs)
        self.allowed = {"resources", *allowed}
        self.known = {}

    def begin(self, first):
        self.first = first

    def strike(self):
        """The jobs are acknowledged and about to start: from now on calls are counted."""
        self.failing.arm(self.first, self.span, self.kinds)

    def settle(self, run):
        """A store that failed tries again every second, and takes nothing until then."""
        end = time.monotonic() + sweep.PATIENT
        while True:
            try:
                super().settle(run)
                return
            except sweep.Wrong as error:
                if "unavailable" not in str(error) or time.monotonic() > end:
                    raise
            time.sleep(0.02)

    def look(self):
        super().look()
        for attempt in self.log.attempts:
            kind = (attempt.get("error") or {"kind": "resources"})["kind"]
            if kind not in self.allowed:
                raise sweep.Wrong(f"not {kind}: {attempt}")
        self.log.attempts.clear()

    def judge_records(self, verdict):
        target = self.asked[verdict["url"]]
        if target.startswith("/request?"):
            super().judge_records(verdict)
            return
        records = self.log.records.get((verdict["job"], verdict["attempt"]), [])
        if len(records) != verdict["records"]:
            raise sweep.Wrong(f"{len(records)} records in the log: {verdict}")
        key = verdict["parser"], target.split("&id=")[0]
        if self.known.setdefault(key, records) != records:
            raise sweep.Wrong(f"{key} gives {records}, and gave {self.known[key]}")


def text(body):
    return "/text?text=" + urllib.parse.quote(body, safe="")


def get(run, *jobs, **members):
    """Jobs for paths of the origin, to their ends."""
    rpc = run.rpc()
    ids = [run.submit(rpc, url=run.url(path), not_before=SOON, **{"parser": "lines", **members, **more}) for path, more in jobs]
    run.sweep.strike()
    for job in ids:
        run.ended(job)


def parsers(run):
    get(run, ("/csv?n=20", {"parser": "csv"}), ("/bytes?n=1000", {"parser": "count"}), ("/ndjson?n=20", {"parser": "ndjson"}),
        (text(XML), {"parser": "xml"}), (text(json.dumps([1, 2, {"b": None}])), {"parser": "json"}),
        (text(FEED), {"parser": "feed"}), ("/zeros?n=100", {"parser": "digest"}))


def plain(run):
    get(run, ("/lines?n=50", {}))


def archive(run):
    get(run, ("/file/a.tar.gz?framing=chunked", {}), parser="archive", options={"parser": "lines"})


def encoded(run):
    get(run, ("/lines?n=50&gzip=1&framing=chunked", {}))


def charset(run):
    get(run, ("/text?text=%e4%0a%80&type=text/plain%3bcharset%3dwindows-1252", {}))


def digest(run):
    get(run, ("/lines?n=50&digest=sha256", {}), digest="sha256")


def large(run):
    get(run, ("/bytes?n=3M", {}), parser="count")


def redirect(run):
    get(run, ("/lines?n=5&redirects=2&header=Set-Cookie:a=b", {}))


def resumed(run):
    get(run, ("/lines?n=200&cut_first=1000", {}))


def retried(run):
    get(run, ("/lines?n=5&flaky=1", {}))


def commit(run):
    get(run, ("/lines?n=50", {}), deliver="commit")


def keep(run):
    get(run, ("/lines?n=50", {}), keep_body="failed")


def pipeline(run):
    get(run, ("/lines?n=50", {}), parser="sorted")


def plugin(run):
    get(run, ("/csv?n=20", {}), parser="apart")


def posted(run):
    get(run, ("/echo?close=1", {}), method="POST", body="one\ntwo\n", headers={"X-A": "b"}, labels={"a": "b"})


def tls(run):
    get(run, ("/lines?n=50&framing=chunked", {}))


def remote(run):
    """`run`: the body goes to a pipe of the client's."""
    rpc = run.rpc()
    reader, writer = os.pipe()
    try:
        job = {"url": run.url("/lines?n=20"), "not_before": SOON}
        rpc.pass_fd(writer, {"jsonrpc": "2.0", "id": 1, "method": "run", "params": job})
        os.close(writer)
        writer = -1
        answer = None
        while answer is None:
            message = rpc.receive()
            if message is None or "error" in message:
                raise sweep.Refused(str(message))
            if message.get("id") == 1:
                answer = message["result"]["id"]
        run.acknowledged(answer)
        run.sweep.strike()
        with os.fdopen(reader, "rb") as body:
            reader = -1
            data = body.read()
        whole = data == b"".join(b"line %d\n" % n for n in range(1, 21))
        rpc.send({"jsonrpc": "2.0", "id": 2, "method": "exited", "params": {"id": answer, "status": 0}})
        verdict = run.ended(answer)
        if verdict["state"] == "done" and not whole:
            raise sweep.Wrong(f"{data!r} was read: {verdict}")
    finally:
        for fd in (reader, writer):
            if fd >= 0:
                os.close(fd)


# Each with what the daemon is told, and what an attempt may fail by besides `resources`.
SCENARIOS = {
    "parsers": (parsers, {}, ()),
    "archive": (archive, {}, ()),
    "encoded": (encoded, {}, ()),
    "charset": (charset, {}, ()),
    "digest": (digest, {}, ()),
    "large": (large, {}, ()),
    "redirect": (redirect, {}, ()),
    "resumed": (resumed, {}, ()),
    "retried": (retried, {}, ("http_status",)),
    "commit": (commit, {}, ()),
    "keep": (keep, {}, ()),
    "pipeline": (pipeline, {}, ()),
    "plugin": (plugin, {}, ()),
    "posted": (posted, {}, ()),
    "tls": (tls, {}, ()),
    "durable": (plain, {"store.engine": "sqlite"}, ()),
    "remote": (remote, {}, ()),
}
CONFIG = '[parser "sorted"]\ntype = exec\nstage = cat\nstage = sort -r\n[parser "apart"]\ntype = csv\nisolation = process\n'


def place(test, name):
    """A scenario's origin, and the daemon's config."""
    origin = test.origin("--root", test.dir / "root", *(["--tls", "--ca", test.dir / "ca.pem"] if name == "tls" else []))
    return origin, CONFIG + f"[store]\npath = {test.dir}/store\n" + (f"[fetch]\nca_file = {test.dir}/ca.pem\n" if name == "tls" else "")

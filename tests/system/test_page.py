# label: sanitize
"""The page in the browser: what it shows and to whom, that strangers' texts stay texts, and whether the daemon is well."""
import html.parser
import http.client
import re
import shutil
import signal
import subprocess

import penstock_test
from penstock_test import until
from test_service import Frozen

HOSTILE = "<script>alert(1)</script>'&amp;<img/src=x/onerror=alert(2)>"
ELEMENTS = {"html", "head", "meta", "title", "noscript", "link", "script", "body", "header", "h1", "h2", "p", "main", "section", "div",
            "b", "small", "figure", "figcaption", "svg", "polyline", "table", "tr", "th", "td", "details", "summary", "code"}
ATTRIBUTES = {"lang", "charset", "name", "content", "http-equiv", "rel", "href", "src", "defer", "class", "id", "viewbox", "role",
              "preserveaspectratio", "points"}


class Strict(html.parser.HTMLParser):
    """Only what the page is made of; collects the text."""

    def __init__(self, page):
        super().__init__()
        self.text, self.scripts = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert tag in ELEMENTS, tag
        assert {name for name, _ in attrs} <= ATTRIBUTES, attrs
        if tag == "script":
            self.scripts.append(dict(attrs).get("src"))

    def handle_data(self, data):
        self.text.append(data)


class Page(penstock_test.Case):
    def start(self, page=None, **settings):
        daemon = self.daemon({"metrics.listen": "127.0.0.1:0", **({"metrics.page": page} if page else {}), **settings})
        self.port = int(re.search(r"served on 127\.0\.0\.1, port (\d+)", daemon.errors())[1])
        return daemon

    def get(self, path="/", host=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=penstock_test.DEADLINE)
        self.addCleanup(connection.close)
        connection.request("GET", path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()

    def spoil(self, daemon):
        """A failing schedule, a failed job and a parser's error, all with hostile names."""
        root = self.dir / "root"
        root.mkdir()
        (root / "x").write_text("{")
        web = self.origin("--root", root)
        daemon.call("schedule_add", {"name": HOSTILE, "url": "http://127.0.0.1:1/", "every": "1h", "max_attempts": 1})
        job = daemon.call("schedule_run", {"name": HOSTILE})["id"]
        daemon.verdict(job)
        failed = daemon.job("http://127.0.0.1:1/" + HOSTILE + "?token=hidden&q=%C3%A9%0a", max_attempts=1)
        until(lambda: daemon.state(failed["job"]) == "failed", "it is stored")
        until(lambda: daemon.call("schedule_list", {"failing": True})["schedules"], "the schedule fails")
        return web

    def test_all(self):
        daemon = self.start("all")
        self.assertIn("The graphs begin 20 s after", "".join(Strict(self.get()[2]).text))
        web = self.spoil(daemon)
        until(lambda: HOSTILE in "".join(Strict(self.get()[2]).text), "a page that is made anew")
        status, headers, page = self.get()
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        parsed = Strict(page)
        text = "".join(parsed.text)
        self.assertEqual(parsed.scripts, ["/page.js"])
        for word in (HOSTILE, "Failing schedules", "penstockctl explain", "connect", "127.0.0.1", "q=é%0a"):
            self.assertIn(word, text)
        self.assertNotIn("hidden", page)
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        self.assertEqual(policy["default-src"], "'none'")
        self.assertEqual(policy["script-src"], "'self'")
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertRegex(page, "<noscript><meta http-equiv=refresh")
        self.assertRegex(page, "<td class=u>http://127.0.0.1:1/")  # an address has room, and the table is moved sideways
        silent = daemon.submit(web.url("/lines?endless=1&drip=20,1000"))
        until(lambda: re.search(rf"<td class=n>{silent}</td><td class=n>[1-9][^<]*</td><td class=n>\?</td>", self.get()[2]),
              "a body of unknown length")
        for path, kind in (("/page.css", "text/css"), ("/page.js", "text/javascript")):
            status, headers, body = self.get(path)
            self.assertEqual((status, headers["Content-Type"].split(";")[0]), (200, kind))
            self.assertNotRegex(body, "https?://|eval|innerHTML")

    def test_totals_alone(self):
        """By default: nothing that belongs to somebody."""
        daemon = self.start()
        self.spoil(daemon)
        status, _, page = self.get()
        self.assertEqual(status, 200)
        text = "".join(Strict(page).text)
        self.assertRegex(text, r"2failed")
        for word in ("alert", "127.0.0.1", "Last failures", "Hosts in trouble"):
            self.assertNotIn(word, text)

    def test_none(self):
        self.start("off")
        for path, status in (("/", 404), ("/page.js", 404), ("/metrics", 200), ("/healthz", 200)):
            self.assertEqual(self.get(path)[0], status, path)

    def test_names_that_are_made_to_mean_loopback(self):
        self.start("all")
        for host, status in (("127.0.0.1", 200), ("127.3.2.1:99", 200), ("localhost", 200), ("LocalHost:1", 200), ("a.localhost", 200),
                             ("[::1]:9469", 200), ("evil.example", 403), ("127.0.0.1.evil.example", 403), ("evil.example:9469", 403),
                             ("localhost.evil.example", 403), ("xlocalhost", 403), ("10.0.0.1", 403), ("[::2]", 403), ("[::1", 403),
                             ("[::1]x", 403), ("127.0.0.1:x", 403), ("0177.0.0.1", 403), ("2130706433", 403), ("x" * 300, 403)):
            for path in ("/", "/metrics", "/readyz"):
                answer = self.get(path, host)[0]
                if path == "/readyz" and answer == 503:
                    answer = 200  # to whom it answers at all: it may be late on a busy machine
                self.assertEqual(answer, status, (host, path))

    def test_health(self):
        log = self.dir / "log"
        config = self.wrote("c.conf", f'[sink "full"]\ntype = file\npath = {log}\n')
        log.symlink_to("/dev/full")
        daemon = self.daemon({"metrics.listen": "127.0.0.1:0"}, config=config)
        self.port = int(re.search(r"served on 127\.0\.0\.1, port (\d+)", daemon.errors())[1])
        until(lambda: self.get("/readyz")[0] == 503, "its sink fails")
        self.assertIn("sinks: fail\n", self.get("/readyz")[2])
        self.assertEqual(self.get("/healthz")[::2], (200, "ok\n"))
        self.assertIn("Sink full fails", "".join(Strict(self.get()[2]).text))
        log.unlink()
        daemon.signal(signal.SIGHUP)  # opens it anew
        until(lambda: self.get("/readyz")[0] == 200, "it works again")

    def test_a_loop_that_does_not_answer(self):
        """It is named within a second or so, and nobody else waits for it; and is well as soon as it goes on."""
        daemon = self.daemon({"metrics.listen": "127.0.0.1:0", "fetch.threads": 3})
        self.port = int(re.search(r"served on 127\.0\.0\.1, port (\d+)", daemon.errors())[1])
        well = "control loop: ok\ndownload loops: ok\nstore: ok\nsinks: ok\nstopping: no\n"
        until(lambda: self.get("/readyz")[::2] == (200, well), "all answer")
        with Frozen(self, daemon.pid, "fetch-1"):
            late = (503, well.replace("loops: ok", "loops: fetch-1 does not answer"))
            until(lambda: self.get("/readyz")[::2] == late, "it is named")  # an answer of just now is given again
            self.assertEqual(self.get("/healthz")[0], 200)
            daemon.call("ping")
        until(lambda: self.get("/readyz")[::2] == (200, well), "it answers again")
        with Frozen(self, daemon.pid, "fetch-0"):
            until(lambda: self.get("/readyz")[0] == 503, "it is late")
            daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.exit_status(), 0)

    def test_chromium(self):
        """Where there is one: the page renews itself, and nothing of a stranger's runs."""
        browser = shutil.which("chromium")
        if not browser:
            # Where the list of packages has it, it is missed. Elsewhere test_all's strict reader stands for it.
            listed = penstock_test.run("bash", "-c", ". config/prepare.sh && packages_of test", check=0, cwd=penstock_test.ROOT).stdout
            if "chromium" in listed.split():
                self.skipTest("there is no chromium")
            print("note: no browser has looked at the page: config/packages has none for this release")
            return
        daemon = self.start("all")
        self.spoil(daemon)
        done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self.dir / 'profile'}",
                               "--virtual-time-budget=6000", "--enable-logging=stderr", "--v=0", "--dump-dom",
                               f"http://127.0.0.1:{self.port}/"], capture_output=True, text=True, timeout=8 * penstock_test.DEADLINE)
        self.assertIn("Last failures", done.stdout)
        self.assertIn("&lt;script&gt;alert(1)", done.stdout)
        self.assertEqual(done.stdout.count("<script"), 1)
        self.assertNotIn("Content Security Policy", done.stderr)  # nothing of our own is refused
        self.assertNotIn("Uncaught", done.stderr)


if __name__ == "__main__":
    penstock_test.main()

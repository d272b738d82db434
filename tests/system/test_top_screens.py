#!/usr/bin/env python3
"""`penstockctl top` beside everything at once, at the widths that terminals have: nothing is cut that matters, and columns are columns."""
import re
import sys
import unicodedata
import unittest
import urllib.parse

import penstock_test
from penstock_test import BIN, ROOT, until
from test_top import Terminal

CTL = BIN / "penstockctl"
WIDTHS = 80, 120, 200
LINES = 40
LONG = "exports/2026/11/30/customers-of-the-northern-region/part-000017-of-000999.ndjson"
WIDE = "日本語の新聞と雑誌"


def width(text):
    """Cells of a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


class Screens(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.penstock = self.daemon({"fetch.breaker_failures": "2", "fetch.breaker_cooldown": "5min", "fetch.host_connections": "4",
                                     "fetch.retry_delay": "10s", "daemon.drain": "100ms"})
        self.scene()

    def scene(self):
        """Downloads of several kinds, failures, a broken host, a schedule that fails, jobs that wait."""
        submit = self.penstock.submit
        port = self.port = self.web.url("/").split(":")[2].strip("/")
        rest = "n=500000000&drip=20,10000"
        self.running = [submit(self.web.url(f"/lines?endless=1&drip=20,10000&id={LONG}"), parser="lines"),
                        submit(self.web.url(f"/bytes?{rest}&id={WIDE}"), parser="count"),
                        submit(self.web.url("/silence"), parser="count"),
                        submit(self.web.url(f"/bytes?{rest}"), parser="count", priority=5)]
        for i in range(3):
            submit(self.web.url(f"/bytes?n=9&id=later-{i}"))
        for i in range(3):
            self.penstock.verdict(submit(f"http://localhost:{port}/bytes?n=9&status=404&id={LONG}-{i}", max_attempts=1))
        self.penstock.verdict(submit(f"http://localhost:{port}/bytes?n=900", max_attempts=1, parser="json"))
        for i in range(2):
            self.penstock.verdict(submit(f"http://127.0.0.9:1/{LONG}", max_attempts=1))
        self.waiting = submit(f"http://127.0.0.9:1/{LONG}")
        self.penstock.ctl("schedule", "add", "nightly-export-of-the-northern-region", f"http://localhost:{port}/bytes?status=404&n=1", "--every", "1h",
                          "--max-attempts", "1", check=0)
        self.penstock.ctl("schedule", "add", "prices", f"http://localhost:{port}/bytes?n=1", "--cron", "30 4 29 2 *", check=0)
        self.penstock.ctl("schedule", "run", "nightly-export-of-the-northern-region")
        until(lambda: self.penstock.call("schedule_list", {"failing": True})["schedules"], "a schedule fails")
        until(lambda: len(self.penstock.call("list", {"state": "running"})["jobs"]) == 4, "four jobs run")

    def show(self, columns):
        terminal = Terminal(self, columns, LINES)
        terminal.start(f"{CTL} --socket {self.penstock.socket} top --interval 200ms")
        terminal.shows(r"^penstockd ")
        terminal.shows(r"MiB/s")
        return terminal

    def views(self, terminal):
        """The screen of each view, by its name."""
        found = {}
        for name, pattern in (("running", r"^ +1 +1 "), ("hosts", r"127\.0\.0\.9 "), ("failed", r"http_status"), ("schedules", r"nightly(.*\n)+prices ")):
            found[name] = terminal.shows(rf"\[{name}( lately)?\](.*\n)*.*{pattern.removeprefix('^')}", f"the view of {name}")
            terminal.type("Tab")
        return found


    def cut(self, text, url):
        """The URL as it may be shown: whole, or without its scheme and its middle."""
        shown = text.split()[-1]
        if url == shown or url == f"http://{shown}":
            return
        host = url.split("/")[2]
        head, tail = shown.split("..", 1)
        self.assertTrue(head and host.startswith(head[:len(host)]), text)
        self.assertTrue(tail and url.endswith(tail), text)

    def columns(self, screen, head, rows, names):
        """Numbers end where their heads end."""
        (line,) = re.findall(rf"(?m)^.*{head}.*$", screen)
        for row in rows:
            for name in names:
                end = line.index(name) + len(name)
                self.assertRegex(row[end - 1:end + 1], r"^\S( |$)", (name, line, row))

    def test_every_view_at_every_width(self):
        for columns in WIDTHS:
            with self.subTest(columns=columns):
                terminal = self.show(columns)
                views = self.views(terminal)
                for name, screen in views.items():
                    lines = screen.rstrip("\n").split("\n")
                    self.assertEqual(len(lines), LINES)
                    self.assertLessEqual(max(map(width, lines)), columns, name)
                    self.assertTrue(lines[-1].startswith("q quit  Enter explain  c cancel  p hold  / filter  Tab  s sort"), lines[-1])
                    self.assertRegex(screen, r"(?m)^jobs +4 running +4 queued +0 waiting .*0 done +7 failed")
                    self.assertRegex(screen, r"(?m)^workers .* 4 of 64 taken, 3 in a parser, 0 lost")
                    self.assertRegex(screen, rf"(?m)^.*\[{name}( lately)?\]")
                self.running_view(views["running"], columns)
                self.assertRegex(views["hosts"], r"(?m)^127\.0\.0\.9 +0 +4 +1 +2 +broken, tried in \d+ s$")
                self.failed_view(views["failed"])
                self.assertRegex(views["schedules"], rf"(?m)^nightly\S*-region .* {'' if columns == 80 else 'failed '}http_status ")
                (row,) = re.findall(r"(?m)^prices .*$", views["schedules"])
                self.cut(row, f"http://localhost:{self.port}/bytes?n=1")
                terminal.type("q")

    def running_view(self, screen, columns):
        rows = [re.findall(rf"(?m)^ +{job} +1 .*$", screen) for job in self.running]
        self.assertEqual([len(row) for row in rows], [1] * 4, screen)
        names = ["JOB", "TRY", "BYTES", "RATE"] + (["RECORDS", "TIME"] if columns > 80 else [])
        self.columns(screen, "JOB TRY", [row[0] for row in rows], names)
        for row, job in zip(rows, self.running):
            self.assertRegex(row[0], " (origin|parser|sink) ")  # what has just come keeps its parser for a moment
            self.cut(row[0], urllib.parse.unquote(self.penstock.call("show", {"id": job})["url"]))

    def failed_view(self, screen):
        rows = re.findall(r"(?m)^ +\d+ +\d+[sm] +1 .*$", screen)
        self.assertEqual(len(rows), 7, screen)
        self.columns(screen, "JOB +AGO", rows, ["JOB", "AGO", "TRY"])
        for row in rows:
            self.assertRegex(row, r" (http_status|connect|parser_failed) ")
            self.cut(row, self.penstock.call("show", {"id": int(row.split()[0])})["url"])

    def test_wide_letters(self):
        """Each takes two cells, and no line is longer for it, nor is one broken in its middle."""
        job = self.penstock.submit(f"http://127.0.0.9:1/{WIDE * 20}")
        self.penstock.call("cancel", {"id": job})
        for columns in WIDTHS:
            terminal = self.show(columns)
            terminal.type("Tab", "Tab")
            screen = terminal.shows(r"http_status")
            self.assertLessEqual(max(map(width, screen.splitlines())), columns)
            self.assertNotIn("\ufffd", screen)
            terminal.type("q")

    def test_the_picture(self):
        """It is drawn from its text, and that is a screen as `top` has it now."""
        sys.path.insert(0, str(ROOT / "daemon" / "man"))
        import top_screen
        text = (top_screen.PLACE / "top_screen.txt").read_text()
        self.assertEqual((top_screen.PLACE / "top_screen.svg").read_text(), top_screen.draw(text), "run daemon/man/top_screen.py")
        kept = re.sub(r"\x1b\[[\d;]*m", "", text)
        screen = self.show(120).shows(r"^ +1 +1 ")
        for pattern in (r"(?m)^.*JOB TRY.*$", r"(?m)^HOST .*$", r"(?m)^q quit.*$", r"(?m)^\[running\].*$"):
            self.assertEqual([line.rstrip() for line in re.findall(pattern, kept)], [line.rstrip() for line in re.findall(pattern, screen)])


class Picture(Screens):
    """Not a test: the text that the picture is drawn from."""

    def test_every_view_at_every_width(self):
        terminal = Terminal(self, 120, 22)
        terminal.start(f"{CTL} --socket {self.penstock.socket} top --interval 200ms")
        terminal.shows(r"^body .*[▁-█]{40}")
        text = terminal.tmux("capture-pane", "-p", "-e")
        place = ROOT / "daemon" / "man"
        (place / "top_screen.txt").write_text(re.sub(r"/tmp/penstock-test\.\w+/socket\d+", "/run/penstock/control.sock", text))
        penstock_test.run(sys.executable, place / "top_screen.py", check=0)


if __name__ == "__main__":
    if "--picture" in sys.argv:
        unittest.TextTestRunner().run(Picture("test_every_view_at_every_width"))
    else:
        del Picture
        penstock_test.main()

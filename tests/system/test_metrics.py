# label: sanitize
"""The figures: strictly in their format, right, bounded in number, and without secrets."""
import http.client
import json
import re
import socket
import threading
import time
import unittest

import openmetrics
import penstock_test
import postgresql_server
from penstock_test import BIN, ROOT, until

MODULE = BIN.parent / "modules" / "penstock-postgresql.so"

ANY = "(any)"

BAD = {
    "no end": "# TYPE a gauge\n# HELP a x\na 1\n",
    "no newline": "# TYPE a gauge\n# HELP a x\na 1\n# EOF",
    "a counter without its ending": "# TYPE a counter\n# HELP a x\na 1\n# EOF\n",
    "a sample of no family": "a 1\n# EOF\n",
    "a family in two parts": "# TYPE a gauge\n# HELP a x\na 1\n# TYPE b gauge\n# HELP b x\nb 1\n# TYPE a gauge\n# HELP a x\n# EOF\n",
    "twice": "# TYPE a gauge\n# HELP a x\na 1\na 2\n# EOF\n",
    "a wrong unit": "# TYPE a gauge\n# UNIT a seconds\n# HELP a x\na 1\n# EOF\n",
    "an unknown type": "# TYPE a number\n# HELP a x\na 1\n# EOF\n",
    "a bad label": '# TYPE a gauge\n# HELP a x\na{b="\\x"} 1\n# EOF\n',
    "no +Inf": '# TYPE a histogram\n# HELP a x\na_bucket{le="1.0"} 0\na_count 0\na_sum 0\n# EOF\n',
    "not cumulative": '# TYPE a histogram\n# HELP a x\na_bucket{le="1.0"} 2\na_bucket{le="+Inf"} 1\na_count 1\na_sum 0\n# EOF\n',
    "a count of its own": '# TYPE a histogram\n# HELP a x\na_bucket{le="+Inf"} 1\na_count 2\na_sum 0\n# EOF\n',
    "a negative counter": "# TYPE a counter\n# HELP a x\na_total -1\n# EOF\n",
    "an empty line": "# TYPE a gauge\n# HELP a x\n\na 1\n# EOF\n",
}


class Reader(penstock_test.Case):
    def test_it_is_strict(self):
        for name, text in BAD.items():
            with self.subTest(name), self.assertRaises(openmetrics.Fault):
                openmetrics.read(text)


class Metrics(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()

    def read(self, daemon, **params):
        return openmetrics.read(daemon.call("metrics", params), params.get("format") != "prometheus")

    def test_figures(self):
        daemon = self.daemon({"store.engine": "sqlite", "store.path": self.dir / "db", "fetch.retry_delay": "1ms"})
        before = self.read(daemon)
        self.assertEqual(before["penstock_attempts"].value(outcome="failed", kind="truncated"), 0)
        first = daemon.job(self.web.url("/lines?n=100"), parser="lines")
        daemon.job(self.web.url("/lines?n=100&cut=50&etag=none&modified=0"), max_attempts=2)
        daemon.job(self.web.url("/lines?n=1&status=404"))
        # A verdict stands in the log before it is stored, and its line before it is counted.
        m = until(lambda: [m for m in [self.read(daemon)] if m["penstock_jobs"].value(state="failed") == 2 and
                           m["penstock_sink_lines"].value(sink="stdout") == len(daemon.lines())], "the last end is stored")[0]
        self.assertEqual(m["penstock_jobs"].value(state="done"), 1)
        self.assertEqual(m["penstock_verdicts"].value(state="done", kind="none"), 1)
        self.assertEqual(m["penstock_verdicts"].value(state="failed", kind="truncated"), 1)
        self.assertEqual(m["penstock_verdicts"].value(state="failed", kind="http_status"), 1)
        self.assertEqual(m["penstock_attempts"].value(outcome="done", kind="none"), 1)
        self.assertEqual(m["penstock_attempts"].value(outcome="retry", kind="truncated"), 1)
        self.assertEqual(m["penstock_attempts"].value(outcome="failed", kind="truncated"), 1)
        self.assertEqual(m["penstock_jobs_submitted"].value(), 3)
        self.assertGreaterEqual(m["penstock_body_bytes"].value(), first["bytes"] + 100)
        self.assertGreaterEqual(m["penstock_records"].value(), 100)
        for name, least in (("job", 3), ("job_queued", 3), ("attempt", 4), ("first_byte", 4), ("connect", 1), ("store_commit", 3)):
            self.assertGreaterEqual(m[f"penstock_{name}_seconds"].count(), least, name)
        self.assertGreater(m["penstock_wait_seconds"].value(on="origin"), 0)
        for name in ("resident_memory_bytes", "open_fds", "max_fds", "threads", "cpu_seconds"):
            self.assertGreater(m[f"penstock_process_{name}"].value(), 0, name)
        started = m["penstock_process_start_time_seconds"].value()
        self.assertLess(abs(time.time() - started), 300)
        self.assertEqual(m["penstock_queue_jobs"].value() + m["penstock_running_jobs"].value(), 0)

    def test_what_is_under_way(self):
        daemon = self.daemon({"fetch.host_connections": 1, "flow.pipe_size": "64K"})
        daemon.submit(self.web.url("/lines?n=20000&hold=on&hold_at=50000"))
        daemon.submit(self.web.url("/lines?n=1"))
        until(lambda: self.read(daemon)["penstock_body_bytes"].value() >= 50000, "the running job's bytes count")
        m = until(lambda: [m for m in [self.read(daemon)] if m["penstock_queue_oldest_age_seconds"].value() > 0.01], "the other's age")[0]
        self.assertEqual(m["penstock_running_jobs"].value(), 1)
        self.assertEqual(m["penstock_workers_busy"].value(), 1)
        self.assertEqual(m["penstock_host_running_jobs"].value(host="(other)"), 1)
        self.assertEqual(m["penstock_queue_jobs"].value(), 1)
        self.assertEqual((m["penstock_pipes"].value(), m["penstock_pipe_bytes"].value()), (1, 65536))
        self.web.release("on")
        until(lambda: self.read(daemon)["penstock_jobs"].value(state="done") == 2, "both are done")
        m = self.read(daemon)
        self.assertEqual((m["penstock_pipes"].value(), m["penstock_pipe_bytes"].value()), (0, 0))
        self.assertEqual(m["penstock_queue_oldest_age_seconds"].value(), 0)

    def test_labels_are_the_configs(self):
        config = self.wrote("c.conf", '[host "127.0.0.1"]\nconnections = 3\n[host "*.example.org"]\nconnections = 2\n'
                            f'[sink "a"]\ntype = file\npath = {self.dir}/sink\n')
        daemon = self.daemon(config=config)
        daemon.call("schedule_add", {"name": 'q"\\x', "url": self.web.url("/lines?n=1&id=hush"), "every": "1h", "jitter": "none"})
        for i in range(5):
            daemon.submit(self.web.url(f"/lines?n=1&id=hush{i}"), parser="csv", labels={"who": f"hush{i}"})
        until(lambda: self.read(daemon)["penstock_jobs"].value(state="done") == 6, "all are done")
        text = daemon.call("metrics")
        self.assertNotIn("hush", text)
        m = openmetrics.read(text)
        self.assertEqual({dict(k[1])["host"] for k in m["penstock_hosts"].samples}, {"127.0.0.1", "*.example.org", "(other)"})
        self.assertGreater(m["penstock_schedule_last_success_timestamp_seconds"].value(schedule='q"\\x'), 0)
        self.assertEqual(m["penstock_schedules"].value(), 1)
        self.assertEqual(len(m["penstock_sink_lines"].samples), 1)

    def test_reloads_are_counted(self):
        config = self.wrote("c.conf", "")
        daemon = self.daemon(config=config)
        since = self.read(daemon)["penstock_config_last_success_timestamp_seconds"].value()
        daemon.call("reload")
        config.write_text("[daemon]\nno = 1\n")
        with daemon.rpc() as rpc:
            rpc.fail("reload")
        m = self.read(daemon)
        self.assertEqual(m["penstock_config_reloads"].value(outcome="done"), 1)
        self.assertEqual(m["penstock_config_reloads"].value(outcome="refused"), 1)
        self.assertGreater(m["penstock_config_last_success_timestamp_seconds"].value(), since)

    def test_the_older_format_has_the_same(self):
        daemon = self.daemon()
        new, old = self.read(daemon), self.read(daemon, format="prometheus")
        self.assertEqual({n + ("_total" if f.type == "counter" else "") for n, f in new.items()}, set(old))
        with daemon.rpc() as rpc:
            for params in ({"format": "xml"}, {"format": 1}, {"what": "openmetrics"}):
                self.assertEqual(rpc.fail("metrics", params)["data"], {"kind": "invalid_params", "field": "format"})

    def test_textfile(self):
        daemon = self.daemon()
        done = daemon.ctl("metrics", check=0)
        openmetrics.read(done.stdout)
        target = self.dir / "textfile" / "penstock.prom"
        target.parent.mkdir()
        stop, faults = threading.Event(), []

        def collect():
            """As node_exporter does: whatever *.prom is there, at any time."""
            while not stop.is_set():
                for path in target.parent.glob("*.prom"):
                    try:
                        openmetrics.read(path.read_text(), openmetrics=False)
                    except (openmetrics.Fault, OSError) as fault:
                        faults.append(fault)

        reader = threading.Thread(target=collect, daemon=True)
        reader.start()
        try:
            for _ in range(20):
                daemon.ctl("metrics", "--output", target, check=0)
        finally:
            stop.set()
            reader.join()
        self.assertEqual(faults, [])
        self.assertEqual([p.name for p in target.parent.iterdir()], ["penstock.prom"])
        self.assertEqual(target.stat().st_mode & 0o777, 0o644)
        refused = daemon.ctl("metrics", "--output", self.dir / "nowhere" / "x.prom", check=3)
        self.assertIn("nowhere/x.prom cannot be written", refused.stderr)

    def test_the_manual_lists_all(self):
        m = self.read(self.daemon())
        manual = (ROOT / "daemon" / "man" / "penstockd.8").read_text()
        section = manual.partition(".Sh METRICS\n")[2].partition("\n.Sh ")[0]
        listed = {name for line in re.findall(r"^\.It Cm (.*)$", section, re.M) for name in line.split(" , ")}
        self.assertEqual({"penstock_" + name for name in listed}, {n + ("_total" if f.type == "counter" else "") for n, f in m.items()})


class Consumers(penstock_test.Case):
    """What config/metrics asks for exists, with those labels and values."""

    def samples(self, text):
        """{name of a sample: {label: its values}}"""
        known = {}
        for family in openmetrics.read(text).values():
            for name, labels in family.samples:
                values = known.setdefault(name, {"instance": {ANY}})
                for label, value in labels:
                    values.setdefault(label, set()).add(value)
        return known

    def figures(self):
        daemon = self.daemon()
        daemon.call("schedule_add", {"name": "s", "url": "http://127.0.0.1:1/", "every": "1h"})
        return self.samples(daemon.call("metrics"))

    def check(self, known, query):
        asked = re.findall(r"(penstock_[a-z_]+)(\{[^}]*\})?", query)
        self.assertTrue(asked, query)
        for name, selector in asked:
            self.assertIn(name, known, query)
            for label, operator, value in re.findall(r'(\w+)(=~?)"([^"]*)"', selector):
                self.assertIn(label, known[name], query)
                if not value.startswith("$"):
                    self.assertLessEqual(set(value.split("|")), known[name][label], query)
        for by in re.findall(r"by \(([^)]*)\)", query):
            for label in by.split(", "):
                self.assertTrue(any(label in known[name] for name, _ in asked), query)

    def check_dashboard(self, known, fleet):
        """Its panels of a fleet, or all others."""
        dashboard = json.loads((ROOT / "config" / "metrics" / "grafana-dashboard.json").read_text())
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        panels = [panel for panel in dashboard["panels"] if panel["title"].startswith("Fleet: ") == fleet]
        queries = [(t["expr"], t["legendFormat"]) for panel in panels for t in panel["targets"]]
        self.assertGreater(len(queries), 5 if fleet else 20)
        for query, legend in queries:
            self.check(known, query)
            self.assertEqual(query.count("("), query.count(")"), query)
            for label in re.findall(r"\{\{(\w+)\}\}", legend):
                self.assertTrue(any(label in known[name] for name in re.findall("penstock_[a-z_]+", query)), query)

    def check_alerts(self, known, fleet):
        text = (ROOT / "config" / "metrics" / "alerts.yml").read_text()
        rules = re.findall(r"- alert: (\w+)\n\s+expr: (>-\n(?:\s+.*\n)+?(?=\s+(?:for|labels):)|.*\n)", text)
        self.assertEqual(len(rules), text.count("- alert:"))
        self.assertEqual(len({name for name, _ in rules}), len(rules))
        self.assertEqual(text.count("summary:"), len(rules))
        for name, expression in rules:
            if name.startswith("PenstockFleet") == fleet:
                self.check(known, expression)

    def test_what_config_asks_for(self):
        known = self.figures()
        self.check_dashboard(known, fleet=False)
        self.check_alerts(known, fleet=False)

    @unittest.skipUnless(MODULE.exists(), "the module is not built")
    def test_what_config_asks_for_of_a_fleet(self):
        """And the manual has all that a member tells besides."""
        alone = set(self.figures())
        server = postgresql_server.Cluster(self, "fsync=off")
        settings = {"store.engine": "postgresql", "store.dsn": server.dsn, "store.path": self.dir / "queue"}
        sets = [a for k, v in settings.items() for a in ("--set", f"{k}={v}")]
        penstock_test.run(BIN / "penstockd", "--config", "/dev/null", *sets, "--migrate", check=0)
        member = self.daemon(settings)
        known = self.samples(member.call("metrics"))
        self.check_dashboard(known, fleet=True)
        self.check_alerts(known, fleet=True)
        manual = (ROOT / "daemon" / "man" / "penstock-fleet.7").read_text()
        section = manual.partition(".Sh METRICS\n")[2].partition("\n.Sh ")[0]
        listed = {"penstock_" + name for line in re.findall(r"^\.It Cm (.*)$", section, re.M) for name in line.split(" , ")}
        told = {re.sub("_(bucket|count|sum)$", "", name) for name in set(known) - alone}
        self.assertEqual(listed, told)


class OverUnix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=penstock_test.DEADLINE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Http(penstock_test.Case):
    OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}

    def setUp(self):
        super().setUp()
        self.path = self.dir / "metrics.sock"

    def get(self, connection, path="/metrics", method="GET", headers=()):
        connection.request(method, path, headers=dict(headers))
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type"), response.read().decode()

    def test_both_formats_on_both_kinds_of_sockets(self):
        over_tcp = self.daemon({"metrics.listen": "127.0.0.1:0"})
        port = int(re.search(r"served on 127\.0\.0\.1, port (\d+)", over_tcp.errors())[1])
        self.daemon({"metrics.listen": self.path})
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o660)
        for connection in (http.client.HTTPConnection("127.0.0.1", port, timeout=penstock_test.DEADLINE), OverUnix(self.path)):
            status, kind, text = self.get(connection, headers=self.OPENMETRICS)
            self.assertEqual((status, kind), (200, "application/openmetrics-text; version=1.0.0; charset=utf-8"))
            self.assertEqual(openmetrics.read(text)["penstock_build_info"].type, "gauge")
            status, kind, text = self.get(connection)
            self.assertEqual((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"))
            openmetrics.read(text, openmetrics=False)
            self.assertEqual(self.get(connection, method="HEAD"), (200, kind, ""))
            self.assertEqual(self.get(connection, "/nosuch")[0], 404)
            self.assertEqual(self.get(connection, method="DELETE")[0], 405)
            connection.close()
        for daemon in self.daemons:
            daemon.stop()
        self.assertFalse(self.path.exists())

    def test_what_is_served_is_new(self):
        daemon = self.daemon({"metrics.listen": self.path})
        web, connection = self.origin(), OverUnix(self.path)
        for done in range(1, 4):
            daemon.job(web.url("/lines?n=1"))
            until(lambda: openmetrics.read(self.get(connection, headers=self.OPENMETRICS)[2])["penstock_jobs"].value(state="done") == done,
                  "the next job counts")
        connection.close()

    def test_connections_are_bounded_and_cost_the_daemon_nothing(self):
        daemon = self.daemon({"metrics.listen": self.path})
        idle = []
        for _ in range(40):  # say nothing, or half of a request
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.addCleanup(one.close)
            one.settimeout(penstock_test.DEADLINE)
            try:
                one.connect(str(self.path))
                one.send(b"GET /metrics HTTP/1.1\r\n")
            except OSError:
                pass
            idle.append(one)
        daemon.call("ping")
        self.assertLess(openmetrics.read(daemon.call("metrics"))["penstock_process_open_fds"].value(), 60)
        self.assertEqual(daemon.ctl("metrics", check=0).returncode, 0)
        self.scrape_in_time()  # while all of them hold on
        for one in idle:
            one.close()

    def scrape_in_time(self):
        """Before idle connections are ended for their idleness alone, after ten seconds."""
        connection = OverUnix(self.path)
        connection.timeout = 9
        self.assertEqual(self.get(connection)[0], 200)
        connection.close()

    def test_answers_that_nobody_reads_shut_nobody_out(self):
        daemon = self.daemon({"metrics.listen": self.path})
        for _ in range(40):
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.addCleanup(one.close)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            one.settimeout(penstock_test.DEADLINE)
            one.connect(str(self.path))
            try:
                one.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
            except OSError:
                pass  # it had to make room meanwhile
        self.scrape_in_time()
        daemon.call("ping")

    def test_a_header_that_trickles_in_shuts_nobody_out(self):
        self.daemon({"metrics.listen": self.path})
        stop, slow = threading.Event(), []
        for _ in range(20):
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.addCleanup(one.close)
            one.settimeout(penstock_test.DEADLINE)
            one.connect(str(self.path))
            slow.append(one)

        def trickle():
            while not stop.wait(0.05):
                for one in slow:
                    try:
                        one.send(b"G")
                    except OSError:
                        pass

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            for _ in range(3):
                self.scrape_in_time()
        finally:
            stop.set()
            thread.join()

    def test_the_end_with_requests_under_way(self):
        daemon = self.daemon({"metrics.listen": self.path})
        stop = threading.Event()

        def ask():
            while not stop.is_set():
                try:
                    self.get(OverUnix(self.path))
                except (OSError, http.client.HTTPException):
                    pass

        askers = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
        for asker in askers:
            asker.start()
        try:
            until(lambda: daemon.call("ping"), "it answers beside")
            daemon.stop()
        finally:
            stop.set()
            for asker in askers:
                asker.join()

    def test_only_this_machine(self):
        for listen in ("0.0.0.0:9469", "[::]:9469", "192.0.2.1:9469", "127.0.0.1", "127.0.0.1:70000", "localhost:9469", "metrics.sock"):
            done = penstock_test.run(penstock_test.BIN / "penstockd", "--config", "/dev/null", "--set", f"metrics.listen={listen}",
                                     "--check", check=1)
            self.assertIn("metrics.listen", done.stderr)
            self.assertIn("no address of this machine alone", done.stderr)


if __name__ == "__main__":
    penstock_test.main()

"""`penstockd --dump`: what holds, and where each value is from."""
import re
import subprocess
import unittest

import penstock_test

PENSTOCKD = penstock_test.BIN / "penstockd"
SHIPPED = penstock_test.ROOT / "config" / "penstockd.conf"

EVERYTHING = """\
[daemon]
drain = 90
log_level = debug
[control]
socket = /run/x/s
mode = 600
submit_users = root
submit_users = daemon, bin
[store]
engine = memory
[fetch]
host_connections = 3
[policy]
allow = 10.0.0.0/8 :8080
allow_downgrade = yes
redact = *pin
[defaults]
max_body = 3G
timeout = 2d
accept_status = 404 5xx
[ceilings]
timeout = 1h
priority = 5
[sink "records"]
type = file
path = /var/log/x
events = verdict record
[sink "j"]
type = journal
format = text
[host "Example.ORG."]
connections = 2
requests_per_second = 0.25
stall_timeout = 1500ms
http = 2
[host "*"]
user_agent = x/1
[credential "c"]
type = header
header = X-Api
hosts = example.org
secret_file = /etc/x
[parser "p"]
type = exec
stage = cut -d, -f1
stage = loader --password=hunter22 --pin=4711
cpu_time = 1500s
[parser "q"]
type = csv
option.delimiter = ;
[parser "r"]
type = json
option.pointer = /a
max_attempts = 2
"""


class Dump(penstock_test.Case):
    def dump(self, *arguments, check=0):
        return penstock_test.run(PENSTOCKD, "--dump", *arguments, check=check)

    def values(self, text):
        """{(section, key): [(value, place)…]}"""
        found, section, place = {}, None, None
        for line in text.splitlines():
            if line.startswith("#"):
                place = line[2:]
            elif line.startswith("["):
                section, place = line, None
            elif line:
                key, _, value = line.partition(" =")
                found.setdefault((section, key), []).append((value.strip(), place))
        return found

    def test_places(self):
        conf = self.wrote("p.conf", EVERYTHING)
        (self.dir / "p.conf.d").mkdir()
        extra = self.wrote("p.conf.d/10-more.conf", "\n[control]\nsubmit_users = games\n[fetch]\nhost_connections = 4\n")
        got = self.values(self.dump("--config", conf, "--set", "queue.max_jobs=7").stdout)
        lines = EVERYTHING.splitlines()

        def at(text):
            return f"{conf}:{lines.index(text) + 1}"
        for section, key, value, place in (
                ("[daemon]", "drain", "90s", at("drain = 90")),
                ("[control]", "mode", "0600", at("mode = 600")),
                ("[control]", "submit_users", "root daemon bin games",
                 f"{at('submit_users = root')} {at('submit_users = daemon, bin')} {extra}:3"),
                ("[control]", "max_clients", "1000", "default"),
                ("[fetch]", "host_connections", "4", f"{extra}:5"),
                ("[queue]", "max_jobs", "7", "--set"),
                ("[policy]", "allow", "10.0.0.0/8 :8080", at("allow = 10.0.0.0/8 :8080")),
                ("[defaults]", "max_body", "3G", at("max_body = 3G")),
                ("[defaults]", "timeout", "1h", at("timeout = 2d") + ", lowered to its ceiling"),
                ("[defaults]", "allow_downgrade", "yes", "default, and policy.allow_downgrade"),
                ("[defaults]", "parser", "count", "default"),
                ("[ceilings]", "max_body", "1T", "default"),
                ("[ceilings]", "priority", "5", at("priority = 5")),
                ('[sink "records"]', "events", "record verdict", at("events = verdict record")),
                ('[sink "j"]', "format", "text", at("format = text")),
                ('[host "example.org"]', "stall_timeout", "1500ms", at("stall_timeout = 1500ms")),
                ('[host "example.org"]', "requests_per_second", "0.25", at("requests_per_second = 0.25")),
                ('[host "*"]', "user_agent", "x/1", at("user_agent = x/1")),
                ('[parser "p"]', "cpu_time", "25min", at("cpu_time = 1500s")),
                ('[parser "q"]', "option.delimiter", ";", at("option.delimiter = ;"))):
            with self.subTest(section=section, key=key):
                self.assertEqual(got[section, key], [(value, place)])
        self.assertEqual([v for v, _ in got['[parser "p"]', "stage"]],
                         ["cut -d, -f1", "loader --password=*** --pin=***"])
        self.assertNotIn(('[sink "records"]', "format"), got)
        self.assertNotIn(('[host "*"]', "connections"), got)  # that is another's to say

    def test_it_says_the_same_again(self):
        for name, text in (("all", EVERYTHING.replace("--password=hunter22 --pin=4711", "")), ("none", ""),
                           ("shipped", SHIPPED.read_text())):
            with self.subTest(name=name):
                once = self.dump("--config", self.wrote(f"{name}.conf", text)).stdout
                again = self.dump("--config", self.wrote(f"{name}-again.conf", once)).stdout
                strip = lambda text: {k: [v for v, _ in values] for k, values in self.values(text).items()}
                self.assertEqual(strip(once), strip(again))

    def test_every_key_is_there(self):
        """By the shipped file, which another test holds to the table."""
        got = {key for _, key in self.values(self.dump("--config", SHIPPED).stdout)}
        section = None
        for line in SHIPPED.read_text().splitlines():
            section = line if line.startswith("[") else section
            key = re.match(r"[#;]?([a-z0-9_]+) = ", line)
            if key and section and '"' not in section and section != "[ceilings]":
                self.assertIn(key[1], got)
        self.assertGreater(len(got), 60)

    def test_secrets(self):
        conf = self.wrote("s.conf", '[policy]\nredact = *pin\n[parser "p"]\ntype = exec\n'
                          "stage = load --header 'Authorization: Basic aGlkZGVuOmhpZGRlbg==' --pin=hidden "
                          "'https://hidden:hid@den@example.org/?token=hidden' proxy://hidden@example.org\n")
        done = self.dump("--config", conf)
        self.assertIn("stage = load --header", done.stdout)
        for word in ("hidden", "aGlkZGVu"):
            self.assertNotIn(word, done.stdout)

    def test_mistakes(self):
        done = self.dump("--config", self.wrote("m.conf", "[daemon]\ndrian = 1\n"), check=1)
        self.assertEqual(done.stdout, "")
        self.assertIn("m.conf:2: daemon.drian: unknown key; did you mean drain?", done.stderr)
        done = self.dump("--config", self.wrote("s.conf", '[sink "x"]\ntype = stdout\nformat = text\n'), check=1)
        self.assertIn('[sink "x"]: format = text is of type journal only', done.stderr)
        with open("/dev/full", "w") as full:
            done = subprocess.run([PENSTOCKD, "--dump", "--config", SHIPPED], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, b"No space left" in done.stderr), (1, True), done)


if __name__ == "__main__":
    penstock_test.main()

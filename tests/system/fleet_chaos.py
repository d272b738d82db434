"""The chaos of a fleet: jobs are submitted to several daemons while these, their server and the way between them
die, stop and come back; afterwards the store, the logs and the origin are compared with what was acknowledged.
tests/system/test_fleet_chaos.py runs a short one, tests/bench/case_fleet.py long ones."""
import asyncio
import collections
import contextlib
import ctypes
import os
import random
import signal
import subprocess
import threading
import time

import penstock_test
import postgresql_server
from penstock_test import BIN, PATIENCE, until

BATCH = 40
LIMIT = 2
LINES = 3
LEASE = int(os.environ.get("PENSTOCK_LEASE", 5 * PATIENCE))  # seconds; a machine with other work wants more
SHARDS = 256


# --- the origin ----------------------------------------------------------------------------------------------------

class Connection(asyncio.Protocol):
    """Answers each request after a moment, and says how many of one host are under way."""

    def __init__(self, origin):
        self.origin, self.data, self.host, self.timer = origin, b"", None, None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data += data
        if self.host is None and b"\r\n\r\n" in self.data:
            head, _, self.data = self.data.partition(b"\r\n\r\n")
            self.begin(next(line[5:].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"host:")))

    def begin(self, host):
        o, self.host = self.origin, host
        o.requests += 1
        o.now[host] += 1
        o.peak = max(o.peak, o.now[host])
        self.timer = asyncio.get_running_loop().call_later(o.takes, self.answer)

    def end(self):
        if self.host is not None:
            self.origin.now[self.host] -= 1
            self.timer.cancel()
        self.host = None

    def answer(self):
        self.end()
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (5 * LINES) + b"line\n" * LINES)

    def connection_lost(self, error):
        self.end()


class Origin:
    """On a thread of its own, which may be in another network namespace (a path below /run/netns)."""

    def __init__(self, test, address="127.0.0.1", netns=None):
        self.address, self.netns = address, netns
        self.now, self.peak, self.requests, self.takes = collections.Counter(), 0, 0, 0.02
        self.port = None
        self.loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        test.addCleanup(thread.join)
        test.addCleanup(self.loop.call_soon_threadsafe, self.loop.stop)
        until(lambda: self.port, "the origin listens")

    def run(self):
        if self.netns:
            with open(self.netns, "rb") as place:
                assert ctypes.CDLL(None, use_errno=True).setns(place.fileno(), 0) == 0
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(
            self.loop.create_server(lambda: Connection(self), self.address, 0, backlog=4096))
        self.port = server.sockets[0].getsockname()[1]
        self.loop.run_forever()
        server.close()


# --- the fleet -----------------------------------------------------------------------------------------------------

class Member:
    """A daemon that comes back by the same name, as often as need be."""

    def __init__(self, chaos, name, command=()):
        self.chaos, self.name, self.command = chaos, name, command
        self.daemon, self.stopped = None, False
        self.runs = []

    def start(self):
        self.daemon = penstock_test.Daemon(self.chaos.place, {**self.chaos.settings, "fleet.name": self.name,
                                           "store.path": self.chaos.place.dir / f"queue-{self.name}"},
                                           config=self.chaos.config, command=self.command)
        self.chaos.place.daemons.remove(self.daemon)
        self.runs.append(self.daemon)

    def up(self):
        return self.daemon is not None and self.daemon.alive() and not self.stopped

    def kill(self):
        self.daemon.kill()

    def leave(self):
        self.daemon.signal(signal.SIGTERM)
        status = self.daemon.exit_status(60 * PATIENCE)
        assert status == 0, f"{self.name} ended with {status}:\n{self.daemon.errors()[-3000:]}"
        self.daemon.check_reports()

    def stop(self):
        self.stopped = True
        self.daemon.signal(signal.SIGSTOP)

    def go_on(self):
        self.daemon.signal(signal.SIGCONT)
        self.stopped = False


class Chaos:
    """`place` is a test case or a bench's place. `server` is what has the verdicts in the end."""

    def __init__(self, place, *, jobs, hosts=300, names="abc", seed=None, server=None, settings=None, web=None, url=None):
        self.place, self.jobs = place, jobs
        self.seed = seed if seed is not None else random.randrange(1 << 32)
        self.random = random.Random(self.seed)
        self.server = server or postgresql_server.Cluster(place)
        self.web = web or Origin(place)
        self.url = url or (lambda n: f"http://h{n % hosts}.localhost:{self.web.port}/{n}")
        self.settings = {
            "store.engine": "postgresql", "store.dsn": self.server.dsn, "store.lease": f"{LEASE}s",
            "fetch.host_connections": str(LIMIT), "parse.workers": "32", "daemon.drain": "30s", **(settings or {})}
        self.config = place.dir / "chaos.conf"
        self.config.write_text('[sink "db"]\ntype = postgresql\n'
                               '[sink "log"]\ntype = stdout\nevents = attempt verdict revoke\n')
        self.members = {name: Member(self, name) for name in names}
        self.acknowledged = {}  # number -> id
        self.known = set()  # ids of earlier rounds
        self.number = self.pace = 0
        self.takeover = self.longest = 0.0
        self.voids = self.unknown = self.faults = 0
        self.over = threading.Event()
        self.failure = None

    def migrate(self, command=()):
        sets = [a for k, v in self.settings.items() for a in ("--set", f"{k}={v}")]
        penstock_test.run(*command, BIN / "penstockd", "--config", "/dev/null", "--set",
                          f"store.path={self.place.dir / 'm'}", *sets, "--migrate", check=0)

    def start(self):
        self.migrate()
        for member in self.members.values():
            member.start()
        self.settled()

    def ask(self, sql):
        """None while the server does not answer."""
        with contextlib.suppress(subprocess.SubprocessError):
            return self.server.ask(sql)

    def owners(self):
        rows = self.ask("SELECT coalesce(m.name,''),count(*) FROM penstock.shards s LEFT JOIN penstock.members m "
                        "ON m.id=s.owner AND NOT m.gone GROUP BY 1")
        return {name: int(count) for name, count in rows or []}

    def settled(self):
        """All shards belong to those that are up, and each of them has its share."""
        want = {m.name for m in self.members.values() if m.up()}
        until(lambda: set(self.owners()) == want, f"{sorted(want)} have all hosts", 12 * LEASE)

    def any_up(self):
        return [m for m in self.members.values() if m.up()]

    # --- submissions ---

    def submit(self, first, count, keyed):
        """True if they were acknowledged. What came of it is not known otherwise: a key finds them again."""
        urls = [{"url": self.url(n), "parser": "lines", "max_attempts": 5, **({"key": f"k{n}"} if keyed else {})}
                for n in range(first, first + count)]
        up = self.any_up()
        if not up:
            return False
        try:
            with self.random.choice(up).daemon.rpc() as rpc:
                rpc.socket.settimeout(3 * PATIENCE)
                answers = rpc.call("submit", urls)
        except (OSError, AssertionError):
            return False
        for n, answer in zip(range(first, first + count), answers):
            if "id" not in answer:
                return False
            self.acknowledged[n] = answer["id"]
        return True

    def submitter(self, end):
        """Spread over all faults; every third batch has no keys, and is another one if it must be said again."""
        try:
            while self.number < end and not self.over.is_set():
                if self.number >= self.pace:
                    time.sleep(0.005)
                    continue
                first = self.number
                keyed = first // BATCH % 3 != 0
                count = min(BATCH, end - first)
                while not self.submit(first, count, keyed) and not self.over.is_set():
                    time.sleep(0.02)
                self.number += count
        except Exception as error:  # noqa: BLE001, told by the round
            self.failure = error

    # --- faults ---

    def pick(self):
        return self.random.choice([m for m in self.members.values() if m.up()])

    def moment(self, most=0.5):
        time.sleep(self.random.random() * most)

    def seen_dead(self, member, began):
        """How long it took until all its hosts are others'."""
        until(lambda: member.name not in (o := self.owners()) and sum(o.values()) == SHARDS and "" not in o,
              f"others have what {member.name} had", 12 * LEASE)
        return time.monotonic() - began

    def fault_kill(self):
        member = self.pick()
        member.kill()
        self.moment(1)
        member.start()

    def fault_kill_for_good(self):
        member = self.pick()
        began = time.monotonic()
        member.kill()
        self.takeover = max(self.takeover, self.seen_dead(member, began))
        member.start()

    def fault_stop(self):
        member = self.pick()
        member.stop()
        self.moment(LEASE / 2)
        member.go_on()

    def fault_stop_for_long(self):
        member = self.pick()
        member.stop()
        self.seen_dead(member, time.monotonic())
        self.moment(1)
        member.go_on()

    def fault_stop_in_a_transaction(self):
        """Where one cannot be caught soon, at any moment."""
        member = self.pick()
        for _ in range(40):
            member.stop()
            held = self.ask("SELECT count(*) FROM pg_stat_activity WHERE state='idle in transaction' AND application_name="
                            "'penstock/'||(SELECT value FROM penstock.meta WHERE name='fleet')||'/'||"
                            f"(SELECT max(id) FROM penstock.members WHERE name='{member.name}')")
            if held and held != [["0"]]:
                break
            member.go_on()
            self.moment(0.05)
        member.stop()
        self.seen_dead(member, time.monotonic())
        member.go_on()

    def fault_two_stop(self):
        two = self.random.sample(self.any_up(), 2)
        for member in two:
            member.stop()
        for member in two:
            self.seen_dead(member, time.monotonic())
        for member in two:
            member.go_on()

    def fault_server(self):
        self.server.stop("immediate")
        self.moment(1)
        self.server.start()

    def fault_server_for_long(self):
        self.server.stop("immediate")
        time.sleep(LEASE + 2)
        self.server.start()

    def fault_join_and_leave(self):
        member = self.members.setdefault("d", Member(self, "d"))
        member.start()
        self.settled()
        self.moment()
        member.leave()

    def fault_leave(self):
        member = self.pick()
        member.leave()
        self.moment(1)
        member.start()

    def names(self):
        """All faults that need nothing but daemons and a server."""
        return [name for name in dir(self) if name.startswith("fault_")]

    def fault(self, name):
        """Its connections may be open in addition: each member that stands still."""
        stopped = {"fault_two_stop": 2}.get(name, 1 if "stop" in name else 0)
        self.web.peak = 0
        began = time.monotonic()
        getattr(self, name)()
        self.settled()
        self.longest = max(self.longest, time.monotonic() - began)
        self.faults += 1
        allowed = LIMIT * (1 + stopped)
        assert self.web.peak <= allowed, f"{name}: a host saw {self.web.peak} at once, not {allowed}"

    # --- a round ---

    def round(self, faults):
        """So many jobs, and these faults while they come and go. Then all is looked at."""
        end, steps = self.number + self.jobs, len(faults) + 1
        thread = threading.Thread(target=self.submitter, args=(end,), daemon=True)
        self.pace = self.number + self.jobs // steps
        thread.start()
        try:
            for name in faults:
                self.moment(0.3)
                try:
                    self.fault(name)
                except (AssertionError, OSError) as error:
                    raise AssertionError(f"{name} (seed {self.seed}): {error}\n{self.state()}") from error
                self.pace += self.jobs // steps
            self.pace = end
            until(lambda: not thread.is_alive(), "all are submitted", 300 * PATIENCE)
        finally:
            self.over.set()
            thread.join()
            self.over.clear()
        assert not self.failure, self.failure
        try:
            self.check()
        except AssertionError as error:
            raise AssertionError(f"{faults} (seed {self.seed}): {error}\n{self.state()}") from error

    def state(self):
        """What a person needs who wants to know why."""
        asks = ("SELECT id,name,gone,batch,draining FROM penstock.members ORDER BY id DESC LIMIT 12",
                "SELECT * FROM penstock.counts",
                "SELECT count(*),state,place,member,cancel FROM penstock.jobs GROUP BY 2,3,4,5 LIMIT 20")
        text = [f"{self.owners()}"] + [f"{row}" for sql in asks for row in self.ask(sql) or ["no answer"]]
        left = [int(row[0]) for row in self.ask("SELECT id FROM penstock.jobs ORDER BY id LIMIT 3") or []]
        for m in self.members.values():
            if m.daemon and m.daemon.alive():
                text += [f"{m.name}: {m.daemon.ctl('explain', job, check=None).stdout}" for job in left]
                text += [f"{m.name}: {m.daemon.ctl('--json', 'stats', check=None).stdout}"]
        return "\n".join(text + [f"{m.name}: {m.daemon.errors()[-1500:]}" for m in self.members.values() if m.daemon])

    def all_over(self):
        rows = self.ask("SELECT count(*) FROM penstock.jobs")
        return rows == [["0"]]

    def check(self):
        until(self.all_over, "all have ended", 120 * PATIENCE)
        rows = self.check_ends()
        self.check_records()
        until(lambda: self.counted() == len(self.known), f"{len(self.known)} are counted as done, and no others", 4 * LEASE)
        self.check_lines(rows)

    def check_ends(self):
        """One for each acknowledged job, and all of them done."""
        rows = [tuple(map(int, row)) for row in self.ask("SELECT id,attempt,state FROM penstock.ended")]
        rows = [row for row in rows if row[0] not in self.known]
        new = {job: (attempt, state) for job, attempt, state in rows}
        assert len(rows) == len(new), f"jobs with two verdicts: {len(rows) - len(new)}"
        ids = set(self.acknowledged.values())
        assert len(ids) == len(self.acknowledged), "an id was given twice"
        lost = ids - set(new)
        assert not lost, f"acknowledged and lost: {len(lost)}, as {sorted(lost)[:10]}"
        bad = [row for row in rows if row[2] != 3]
        assert not bad, f"not done: {bad[:10]}"
        self.unknown += len(new) - len(ids)
        self.known |= set(new)
        self.acknowledged = {}
        return new

    def check_records(self):
        wrong = self.ask(
            "SELECT coalesce(e.id,r.job),e.attempt,r.attempt,r.n,r.d FROM penstock.ended e FULL JOIN (SELECT job,attempt,"
            "count(*) AS n,count(DISTINCT seq) AS d FROM penstock.records GROUP BY 1,2) r ON r.job=e.id AND "
            f"r.attempt=e.attempt WHERE e.id IS NULL OR r.n IS DISTINCT FROM {LINES} OR r.d<>{LINES} LIMIT 10")
        assert wrong == [], f"records that are not there once each (job, its attempt, theirs): {wrong}"

    def counted(self):
        """Jobs that the counts say are done, if they say of nothing else."""
        rows = self.ask("SELECT sum(queued),sum(running),sum(waiting),sum(failed),sum(cancelled),sum(bytes),sum(done) "
                        "FROM penstock.counts")
        return int(rows[0][6]) if rows and rows[0][:6] == ["0"] * 6 else -1

    def check_lines(self, rows):
        """Of several verdict lines the one with the highest attempt counts; the others are revoked in the end."""
        verdicts, revoked = collections.defaultdict(list), set()

        def read():
            for member in self.members.values():
                for run in member.runs:
                    for line in run.lines():
                        if line["event"] == "verdict":
                            verdicts[line["job"]].append((line["attempt"], line["state"]))
                        elif line["event"] == "revoke":
                            revoked.add((line["job"], line["attempt"]))
                    run.seen.clear()
            return {(job, line[0]) for job, lines in verdicts.items() for line in lines
                    if job in rows and line[0] != rows[job][0]} <= revoked
        until(read, "what does not count is revoked", 6 * LEASE)
        for member in self.members.values():
            member.runs = [run for run in member.runs if run.alive()]
        for job, (attempt, _) in rows.items():
            last = [line for line in verdicts[job] if line[0] >= attempt]
            assert last == [(attempt, "done")], f"job {job}, attempt {attempt} in the store, and in the logs {verdicts[job]}"
        self.voids += sum(len(lines) - 1 for job, lines in verdicts.items() if job in rows)

    def close(self):
        """Those that are up leave, and end well."""
        for member in self.members.values():
            if member.up():
                member.leave()

"""Chaos of a fleet that needs more than daemons and a server: a member that is cut off, a standby, a pooler."""
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import penstock_test
import postgresql_server
from fleet_chaos import LEASE, Chaos, Origin
from penstock_test import until


# --- cut off -------------------------------------------------------------------------------------------------------

class Net:
    """Two network namespaces of a test's own, joined by one wire. `near` has 10.77.0.1 and upwards, `far` is alone."""

    def __init__(self, test):
        if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nsenter"):
            raise unittest.SkipTest("network namespaces need root, ip and nsenter")
        self.near, self.far = (f"penstock-{os.getpid()}-{side}" for side in ("near", "far"))
        for name in (self.near, self.far):
            if self.ip("netns", "add", name, check=False):
                raise unittest.SkipTest("no network namespace can be made here")
            test.addCleanup(self.ip, "netns", "del", name)
            self.ip("-n", name, "link", "set", "lo", "up")
        if self.ip("link", "add", "wire", "netns", self.near, "type", "veth", "peer", "name", "wire", "netns", self.far,
                   check=False):
            raise unittest.SkipTest("no veth pair can be made here")
        for n in range(1, 50):  # not on the wire: they stay as it goes down
            self.ip("-n", self.near, "addr", "add", f"10.77.0.{n}/32", "dev", "lo")
        self.ip("-n", self.near, "addr", "add", "10.77.0.254/24", "dev", "wire")
        self.ip("-n", self.far, "addr", "add", "10.77.0.253/24", "dev", "wire")
        self.cut(False)
        self.ip("-n", self.far, "link", "set", "wire", "up")

    @staticmethod
    def ip(*words, check=True):
        return subprocess.run(["ip", *words], check=check, capture_output=True).returncode

    def cut(self, cut):
        """Silently: what is sent is gone, and nobody is told."""
        self.ip("-n", self.near, "link", "set", "wire", "down" if cut else "up")

    @staticmethod
    def inside(name):
        return ("nsenter", f"--net=/run/netns/{name}")


class Cut(Chaos):
    """The member c is behind a wire that is cut now and then."""

    def __init__(self, place, hosts=30, **kwargs):
        self.net = Net(place)
        near = self.net.inside(self.net.near)
        server = postgresql_server.Cluster(place, "listen_addresses=10.77.0.1", command=near)
        with open(server.dir / "data" / "pg_hba.conf", "a") as hba:
            hba.write("host all all 10.77.0.0/24 trust\n")
        server.ask("SELECT pg_reload_conf()")
        web = Origin(place, "0.0.0.0", f"/run/netns/{self.net.near}")
        super().__init__(place, server=server, web=web, url=lambda n: f"http://10.77.0.{10 + n % hosts}:{web.port}/{n}",
                         settings={"store.dsn": "host=10.77.0.1 sslmode=disable dbname=postgres user=penstock",
                                   "policy.allow": "10.77.0.0/24"}, **kwargs)
        for name, member in self.members.items():
            member.command = self.net.inside(self.net.far if name == "c" else self.net.near)

    def migrate(self, command=()):
        super().migrate(self.net.inside(self.net.near))

    def names(self):
        return ["fault_cut", "fault_cut_briefly", "fault_cut_and_killed", "fault_cut"]

    def fault_cut(self):
        self.net.cut(True)
        self.seen_dead(self.members["c"], time.monotonic())
        self.moment(1)
        self.net.cut(False)

    def fault_cut_briefly(self):
        self.net.cut(True)
        self.moment(LEASE / 3)
        self.net.cut(False)

    def fault_cut_and_killed(self):
        """No word of its end comes to the server."""
        self.net.cut(True)
        self.members["c"].kill()
        self.seen_dead(self.members["c"], time.monotonic())
        self.net.cut(False)
        self.members["c"].start()


# --- a standby -----------------------------------------------------------------------------------------------------

class Failover(Chaos):
    """Nothing is lost where commits wait for a standby."""

    def __init__(self, place, **kwargs):
        first = postgresql_server.Cluster(place)
        self.standby = postgresql_server.Cluster(place, of=first)
        super().__init__(place, server=first, settings={
            "store.dsn": f"host={first.dir},{self.standby.dir} dbname=postgres user=penstock"}, **kwargs)
        self.follow()

    def follow(self):
        self.server.ask("ALTER SYSTEM SET synchronous_standby_names='*'")
        self.server.ask("SELECT pg_reload_conf()")
        until(lambda: self.ask("SELECT sync_state FROM pg_stat_replication") == [["sync"]], "the standby follows", 60)

    def fail_over(self):
        self.server.stop("immediate")
        self.standby.promote()
        self.server, self.standby = self.standby, self.server

    def renew_standby(self):
        self.standby.do("remove")
        self.standby.do("copy", self.server.dir)
        self.standby.start()
        self.standby.watch()
        self.follow()

    def names(self):
        return ["fault_failover", "fault_no_standby", "fault_kill_for_good", "fault_failover"]

    def fault_failover(self):
        self.fail_over()
        self.settled()
        self.renew_standby()

    def fault_no_standby(self):
        """Commits wait for longer than a lease; who lives is believed to."""
        self.standby.stop("immediate")
        time.sleep(LEASE + 1)
        assert len(self.owners()) == 3, f"somebody was declared dead: {self.owners()}"
        self.standby.start()


class Lossy(Failover):
    """The standby has not heard the last of it: what was lost is told, and no id is given twice."""

    def __init__(self, place, **kwargs):
        super().__init__(place, **kwargs)
        self.lost = 0
        self.ids = set()

    def follow(self):
        until(lambda: self.ask("SELECT state FROM pg_stat_replication") == [["streaming"]], "the standby follows", 60)

    def names(self):
        return ["fault_loss"]

    def fault_loss(self):
        self.standby.ask("ALTER SYSTEM SET primary_conninfo=''")
        self.standby.ask("SELECT pg_reload_conf()")
        until(lambda: self.ask("SELECT count(*) FROM pg_stat_replication") == [["0"]], "it follows no more")
        before = len(self.acknowledged)
        self.pace += self.jobs // 4
        until(lambda: len(self.acknowledged) > before + self.jobs // 10, "some are acknowledged", 60)
        pace, self.pace = self.pace, 0
        self.fail_over()
        self.ids = set(self.acknowledged.values())
        self.pace = pace
        told = re.compile("which may have lost some jobs|commits may be lost|has lost commits")
        until(lambda: any(told.search(m.daemon.errors()) for m in self.members.values()), "the loss is told", 4 * LEASE)
        self.settled()
        self.renew_standby()

    def check_ends(self):
        """What was acknowledged afterwards is there; its ids are new."""
        rows = {int(job): (int(attempt), int(state)) for job, attempt, state in
                self.ask("SELECT id,attempt,state FROM penstock.ended")}
        later = [job for job in self.acknowledged.values() if job not in self.ids]
        assert len(later) == len(set(later)), "an id was given twice"
        assert later and min(later) > max(self.ids) + 1000, f"ids go on from {min(later)}, and {max(self.ids)} was given"
        lost = set(later) - set(rows)
        assert not lost, f"acknowledged and lost after it: {sorted(lost)[:10]}"
        self.lost = len(self.ids - set(rows))
        self.known |= set(rows)
        return rows

    def check_lines(self, rows):
        """Attempts may repeat, so lines tell nothing."""


# --- a pooler ------------------------------------------------------------------------------------------------------

class Pooler:
    """pgbouncer, which gives a session to each transaction."""

    def __init__(self, test, server):
        self.test, self.program = test, penstock_test.find_server("pgbouncer")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="penstock-pool."))
        test.addCleanup(shutil.rmtree, self.dir, True)
        self.dir.chmod(0o777)
        (self.dir / "ini").write_text(f"""[databases]
* = host={server.dir} user=penstock
[pgbouncer]
unix_socket_dir = {self.dir}
listen_addr =
listen_port = 6432
auth_type = any
pool_mode = transaction
max_client_conn = 200
default_pool_size = 20
server_login_retry = 1
""")
        self.dsn = f"host={self.dir} port=6432 dbname=postgres user=penstock"
        self.start()

    def start(self):
        path, env = self.program
        command = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
        self.process = penstock_test.Program(self.test, [*command, path, self.dir / "ini"], "pgbouncer", env=env, cwd="/")
        until(lambda: self.answers() or not self.process.alive(), "pgbouncer listens")
        assert self.process.alive(), self.process.errors()

    def answers(self):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.dir / ".s.PGSQL.6432"))
            return True
        return False

    def restart(self):
        self.process.kill()
        with contextlib.suppress(FileNotFoundError):
            (self.dir / ".s.PGSQL.6432").unlink()
        self.start()


class Pooled(Chaos):
    """By pgbouncer in transaction mode; beats and hints go by store.direct."""

    def __init__(self, place, **kwargs):
        server = postgresql_server.Cluster(place)
        self.pooler = Pooler(place, server)
        super().__init__(place, server=server, settings={"store.dsn": self.pooler.dsn, "store.direct": server.dsn}, **kwargs)

    def names(self):
        return ["fault_kill", "fault_pooler", "fault_stop_for_long", "fault_server", "fault_kill_for_good", "fault_pooler"]

    def fault_pooler(self):
        self.pooler.restart()

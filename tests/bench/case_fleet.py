"""The chaos of a fleet, long: three daemons and their server die, stop and come back while 9,000 jobs a round come and
go; a member is cut off; the server fails over. What a short one does is in tests/system/test_fleet_chaos.py."""
import fleet_chaos
import fleet_faults
from penstock_test import PATIENCE
from table import figure


def rows(chaos, rounds):
    yield figure("jobs, each with one verdict, none lost", len(chaos.known), "jobs")
    yield figure("faults", chaos.faults, "", (">=", rounds))
    yield figure("verdict lines that do not count, all revoked", chaos.voids, "")
    yield figure("jobs whose submission was not answered", chaos.unknown, "")
    yield figure("requests beyond one a job", chaos.web.requests - len(chaos.known), "")


def measure(place):
    rounds = place.rounds or place.size(20, 1)
    chaos = fleet_chaos.Chaos(place, jobs=place.jobs or place.size(9000, 300), seed=place.seed)
    print(f"# seed {chaos.seed}", flush=True)
    chaos.start()
    for _ in range(rounds):
        faults = chaos.names()
        chaos.random.shuffle(faults)
        chaos.round(faults)
    chaos.close()
    yield from rows(chaos, rounds)
    yield figure("take-over after kill -9, the longest, beyond the lease", chaos.takeover - fleet_chaos.LEASE, "s", ("<=", 1))
    yield figure("a fault, the longest until all is settled", chaos.longest, "s")


def fault_case(make):
    def run(place):
        chaos = make(place, jobs=place.jobs or place.size(9000, 300), seed=place.seed)
        chaos.start()
        for _ in range(place.rounds or 1):
            chaos.round(chaos.names())
        chaos.close()
        yield from rows(chaos, 1)
    return run


CASES = {"fleet": measure, "fleet-cut": fault_case(fleet_faults.Cut), "fleet-failover": fault_case(fleet_faults.Failover),
         "fleet-lossy": fault_case(fleet_faults.Lossy), "fleet-pooled": fault_case(fleet_faults.Pooled)}

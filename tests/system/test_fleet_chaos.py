#!/usr/bin/env python3
"""A server of a fleet dies while jobs come and go, and its standby takes over; or the pooler before it does. The long ones are in tests/bench."""
import os
import unittest

import penstock_test
from penstock_test import BIN, PATIENCE

os.environ.setdefault("PENSTOCK_LEASE", str(20 * PATIENCE))  # that no member is late for want of a CPU

import fleet_faults  # noqa: E402, reads that

MODULE = BIN.parent / "modules" / "penstock-postgresql.so"


@unittest.skipUnless(MODULE.exists(), "the module is not built")
class FleetChaos(penstock_test.Case):
    def chaos(self, kind, fault):
        chaos = kind(self, jobs=200, hosts=30)
        chaos.start()
        chaos.round([fault])
        chaos.close()
        return chaos

    def test_a_standby_that_commits_wait_for(self):
        """Nothing is lost, and nothing is run twice to another verdict."""
        self.chaos(fleet_faults.Failover, "fault_failover")

    def test_a_standby_that_lags(self):
        """What is lost is told, and no id is given twice."""
        chaos = self.chaos(fleet_faults.Lossy, "fault_loss")
        self.assertGreater(chaos.lost, 0)

    def test_a_pooler(self):
        """pgbouncer gives each transaction a session of its own, and is started anew meanwhile."""
        self.chaos(fleet_faults.Pooled, "fault_pooler")


if __name__ == "__main__":
    penstock_test.main()

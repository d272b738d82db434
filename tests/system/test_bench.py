#!/usr/bin/env python3
"""The bench works: its cases at tiny sizes, one pair each. What they measure is not looked at."""
import json
import os
import sys

import penstock_test

BENCH = penstock_test.ROOT / "tests" / "bench" / "run"
CASES = ("big-1", "big-4", "tls-1", "tls-4", "floor-1", "floor-4", "floor-tls-1", "floor-tls-4", "small", "small-py",
         "small-xargs", "small-mem", "latency", "beside", "stalled", "stalled-many", "durable", "scale", "schedules",
         "formats", "loops", "loops-tls", "library", "library-open", "backup")


class Bench(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.dir.chmod(0o755)  # nginx reads as nobody

    def bench(self, *words):
        env = {**os.environ, "PENSTOCK_BIN": str(penstock_test.BIN), "TMPDIR": str(self.dir)}
        done = penstock_test.run(sys.executable, BENCH, "--no-build", *words, check=0, seconds=10 * penstock_test.DEADLINE, env=env)
        self.assertEqual([p.name for p in self.dir.glob("penstock-bench.*")], [])  # nothing is left
        return done.stdout

    def rows(self, *cases):
        out = self.dir / "rows.json"
        self.bench("--quick", "--pairs", "1", "--json", out, *cases)
        return json.loads(out.read_text())

    def test_cases(self):
        table = self.rows(*CASES)
        self.assertEqual({row["case"] for row in table["rows"]}, set(CASES))
        self.assertTrue(all(table["machine"].values()), table["machine"])
        walls = [row for row in table["rows"] if row["what"].endswith("wall time")]
        self.assertTrue(all(row["ratio"][0] == row["ours"] / row["peer"] > 0 for row in walls), walls)
        self.assertTrue(all(row["met"] in (True, False) for row in table["rows"] if row["goal"]))

    def test_versions(self):
        """Small as it is here, the soak must find nothing."""
        rows = {row["what"]: row for row in self.rows("versions")["rows"]}
        self.assertEqual(rows["done, and not one whole version"]["ours"], 0)
        self.assertEqual(rows["jobs"]["ours"], rows["done"]["ours"] + rows["failed"]["ours"])

    def test_attacks(self):
        rows = self.rows("attacks")
        self.assertTrue(all(row["ours"] > 0 for row in rows["rows"]))
        self.assertEqual(len(rows["rows"]) % 3, 0)  # p50, p99 and the longest of each

    def test_instructions(self):
        counts = {row["what"]: row["ours"] for row in self.rows("instructions")["rows"]}
        self.assertEqual(len(counts), 1)
        self.assertTrue(all(count > 50 for count in counts.values()), counts)  # in thousands

    def test_every_case_is_listed(self):
        listed = self.bench("--list").split()
        self.assertEqual(set(CASES) - set(listed), set())
        self.assertIn("instructions", listed)
        done = penstock_test.run(sys.executable, BENCH, "--no-build", "no-such-case")
        self.assertEqual(done.returncode, 2)
        self.assertIn("there is no case no-such-case", done.stderr)


if __name__ == "__main__":
    penstock_test.main()

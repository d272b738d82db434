#!/usr/bin/env python3
"""When memory ends: the scenarios of the control socket and whole programs, with each allocation failing in turn; a part of
them, evenly spread. The bench's case `allocations` plays them all."""
import sweep
import sweep_control
import sweep_programs

import penstock_test

RUNS = 20 if sweep.FEW else 100  # of a scenario
STARTS = 6 if sweep.FEW else 30  # of a daemon, which cost more


class Allocations(penstock_test.Case):
    def setUp(self):
        super().setUp()
        sweep.Failing(self.dir / "probe")  # skips beside a sanitizer

    def judge(self, swept):
        print(f"{swept.name}: {swept.runs} runs, {swept.struck} struck", flush=True)
        self.assertEqual(swept.faults, [])
        self.assertGreater(swept.struck, swept.runs // 2)

    def check_control(self, name):
        self.judge(sweep.Sweep(self, name, sweep_control.SCENARIOS[name]).sweep(most=RUNS))

    def check_program(self, name):
        most = STARTS if name.startswith("start") else RUNS
        self.judge(sweep_programs.PROGRAMS[name](self, name).sweep(most=most))


for scenario in sweep_control.SCENARIOS:
    setattr(Allocations, f"test_{scenario}", lambda self, name=scenario: self.check_control(name))
for program in sweep_programs.PROGRAMS:
    setattr(Allocations, f"test_{program.replace('-', '_')}", lambda self, name=program: self.check_program(name))

if __name__ == "__main__":
    penstock_test.main()

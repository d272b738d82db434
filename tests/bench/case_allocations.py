"""What becomes of the daemon, its client and its host when memory ends: every scenario of the sweeps is played once for
each of its allocations, which fails. None may crash a program, hang or make it lie."""
import sweep
import sweep_control
import sweep_programs

from table import figure

FEW = 10  # with --quick


def rows(swept):
    for fault in swept.faults:
        print(f"# {fault[:300]}", flush=True)
    yield figure(f"{swept.name}: runs", swept.runs, "")
    for what in ("crashes", "hangs", "wrong"):
        yield figure(f"{swept.name}: {what}", getattr(swept, what), "", ("<=", 0))


def measure(place):
    most = FEW if place.quick else None
    for name, scenario in sweep_control.SCENARIOS.items():
        yield from rows(sweep.Sweep(place, name, scenario).sweep(most))
    for name, program in sweep_programs.PROGRAMS.items():
        yield from rows(program(place, name).sweep(most))


CASES = {"allocations": measure}

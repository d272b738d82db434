"""The rows of the bench's one table, and how they are come by: two sides in turn, or a figure of ours alone."""
import dataclasses
import statistics

from meter import Meter

UNITS = {"wall": ("s", 1), "cpu": ("s", 1), "memory": ("MiB", 2**20)}
NAMES = {"wall": "wall time", "cpu": "CPU time", "memory": "peak memory"}


@dataclasses.dataclass
class Row:
    """`peer` is None for a figure of ours alone; then the goal is of the figure, else of the ratio. A goal is None
    or a pair such as ("<=", 0.4); `ratio` is (median, least, greatest) over the pairs."""
    what: str
    unit: str
    ours: float
    peer: float = None
    ratio: tuple = None
    goal: tuple = None

    def met(self):
        if not self.goal:
            return None
        value = self.ratio[0] if self.ratio else self.ours
        return value <= self.goal[1] if self.goal[0] == "<=" else value >= self.goal[1]

    def text(self, case):
        peer = f"{self.peer:12,.5g}" if self.ratio else " " * 12
        ratio = "{:8.3f}  {:6.3f} … {:<7.3f}".format(*self.ratio) if self.ratio else " " * 26
        goal = f"{self.goal[0]} {self.goal[1]:g} {'met' if self.met() else 'MISSED'}" if self.goal else ""
        return f"{case:<12} {self.what:<58} {self.ours:12,.5g} {peer} {self.unit:<6} {ratio} {goal}".rstrip()


HEAD = f"{'case':<12} {'what':<58} {'ours':>12} {'peer':>12} {'unit':<6} {'ratio':>8}  {'least … greatest':<16} goal"


def figure(what, value, unit, goal=None):
    return Row(what, unit, value, goal=goal)


def ratio_row(what, unit, pairs, goal=None):
    """Of pairs (ours, peer); None if one is nothing: too short to be seen."""
    if not all(mine and theirs for mine, theirs in pairs):
        return None
    ratios = [mine / theirs for mine, theirs in pairs]
    mine, theirs = (statistics.median(column) for column in zip(*pairs))
    return Row(what, unit, mine, theirs, (statistics.median(ratios), min(ratios), max(ratios)), goal)


def in_turn(place, ours, *peers):
    """A B A B …, a round of warm-up first: for each round what each side returned."""
    rounds = [[side() for side in (ours, *peers)] for _ in range(place.pairs + 1)]
    return rounds[1:]


def measured(daemons, side, factor=1):
    """A side for in_turn that gives its Cost."""
    return lambda: Meter(daemons).measure(side).times(factor)


def compare(place, title, ours, peer, goals=None, metrics=("wall", "cpu", "memory")):
    """Rows for what two sides cost, each a function that gives a Cost. Goals by metric."""
    rounds = in_turn(place, ours, peer)
    for metric in metrics:
        unit, scale = UNITS[metric]
        pairs = [tuple(getattr(cost, metric) / scale for cost in costs) for costs in rounds]
        goal = (goals or {}).get(metric)
        row = ratio_row(f"{title}: {NAMES[metric]}", unit, pairs, goal and ("<=", goal))
        if row:
            yield row

"""A strict reader of OpenMetrics 1.0 text, of what this project writes of it (no timestamps, no exemplars), and of
Prometheus' older format. Whatever it does not know is a fault."""
import math
import re

NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
SAMPLE = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)(\{.*\})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}


class Fault(Exception):
    pass


def demand(good, why):
    if not good:
        raise Fault(why)


def read_labels(text):
    labels = {}
    while text:
        match = LABEL.match(text)
        demand(match, f"labels: {text!r}")
        demand(match[1] not in labels, f"label {match[1]} twice")
        demand(not match[1].startswith("__"), f"label {match[1]} is reserved")
        labels[match[1]] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], match[2])
        text = text[match.end():]
        demand(bool(text) == (match[3] == ","), "a comma at the end of the labels")
    return labels


class Family:
    def __init__(self, name):
        self.name, self.type, self.unit, self.help = name, None, None, None
        self.samples = {}  # (sample's name, labels as a sorted tuple) -> value

    def add(self, name, labels, value):
        key = (name, tuple(sorted(labels.items())))
        demand(key not in self.samples, f"{name}{labels} twice")
        if self.type in ("counter", "histogram"):
            demand(value >= 0 and not math.isnan(value), f"{name} is {value}")
        if self.type == "histogram":
            demand(("le" in labels) == name.endswith("_bucket"), f"{name}: le")
        else:
            demand("le" not in labels, f"{name}: le")
        self.samples[key] = value

    def check(self, openmetrics):
        demand(self.help, f"{self.name} has no help")
        if openmetrics:
            demand(self.unit or not re.search("_(seconds|bytes)$", self.name), f"{self.name} has no unit")
        if self.unit:
            demand(self.name.endswith("_" + self.unit), f"{self.name} does not end in its unit")
        for labels in {tuple(l for l in key[1] if l[0] != "le") for key in self.samples if self.type == "histogram"}:
            self.check_histogram(dict(labels))

    def check_histogram(self, labels):
        buckets = [(float(dict(key[1])["le"]), value) for key, value in self.samples.items()
                   if key[0].endswith("_bucket") and labels.items() <= dict(key[1]).items()]
        demand(all(a[0] < b[0] and a[1] <= b[1] for a, b in zip(buckets, buckets[1:])),
               f"{self.name}: buckets out of order or not cumulative")
        demand(buckets and buckets[-1][0] == math.inf, f"{self.name}: no bucket +Inf")
        key = tuple(sorted(labels.items()))
        demand(self.samples.get((self.name + "_count", key)) == buckets[-1][1], f"{self.name}: count is not +Inf's")
        demand((self.name + "_sum", key) in self.samples, f"{self.name}: no sum")

    def value(self, **labels):
        """The one sample (of a counter its total) with these labels and no others."""
        name = self.name + ("_total" if self.type == "counter" and not self.name.endswith("_total") else "")
        return self.samples[(name, tuple(sorted(labels.items())))]

    def count(self):
        return self.samples[(self.name + "_count", ())]


def read_comment(text, families, state, openmetrics):
    match = re.fullmatch(r"# (TYPE|UNIT|HELP) ([a-zA-Z_][a-zA-Z0-9_]*) (.+)", text)
    demand(match, f"a line of no kind: {text!r}")
    keyword, name, rest = match.groups()
    if keyword == "TYPE":  # always first, here
        demand(name not in families, f"{name} comes twice, or in two parts")
        demand(rest in SUFFIXES, f"{name}: type {rest}")
        state["family"] = families[name] = Family(name)
    family = state["family"]
    demand(family and family.name == name, f"{keyword} of {name} is not in its family")
    demand(not family.samples, f"{keyword} of {name} stands behind samples")
    demand(getattr(family, keyword.lower()) is None, f"{keyword} of {name} twice")
    demand(keyword != "UNIT" or openmetrics, "the older format has no units")
    demand(not re.search(r"\\[^n\\\"]", rest), f"{name}: a bad escape")
    setattr(family, keyword.lower(), rest)


def read_sample(text, state, openmetrics):
    match = SAMPLE.fullmatch(text)
    demand(match, f"no sample: {text!r}")
    name, labels, value = match.groups()
    family = state["family"]
    demand(family, f"{name} before any family")
    suffixes = SUFFIXES[family.type] if openmetrics or family.type != "counter" else [""]
    demand(name in [family.name + s for s in suffixes], f"{name} in {family.type} {family.name}")
    demand(NUMBER.fullmatch(value), f"{name}: {value}")
    if not openmetrics and family.type == "counter":
        demand(name.endswith("_total"), f"{name} is a counter")
    family.add(name, read_labels(labels[1:-1]) if labels else {}, float(value))


def read(text, openmetrics=True):
    """The families by their names; Fault if anything is wrong."""
    families, state = {}, {"family": None}
    lines = text.split("\n")
    demand(lines.pop() == "", "the last line does not end")
    if openmetrics:
        demand(lines and lines.pop() == "# EOF", "no # EOF at the end")
    for line in lines:
        demand(line != "# EOF" and line == line.strip() and line, f"{line!r} in the middle")
        if line.startswith("#"):
            read_comment(line, families, state, openmetrics)
        else:
            read_sample(line, state, openmetrics)
    names = [f + s for f, family in families.items() for s in SUFFIXES[family.type] if openmetrics or family.type != "counter"]
    demand(len(names) == len(set(names)), "two families whose samples have one name")
    for family in families.values():
        family.check(openmetrics)
    return families

"""Bodies of 16 MB, plain and in TLS, over each framing, to readers that stall at random, from an origin that cuts,
resets or falls silent at random: each must be byte-exact and of one attempt. What it finds depends on libcurl, so
the case is run with each version (LD_LIBRARY_PATH)."""
import hashlib
import random

from table import figure

SIZE = 16 << 20
BODIES, QUICK = 1000, 40
AT_ONCE = 16

# Reads pieces of any size, sleeps now and then, and says what it has read.
READER = """#!/usr/bin/env python3
import hashlib, os, random, sys, time
dice, sum, size = random.Random(os.getpid()), hashlib.sha256(), 0
while True:
    piece = os.read(0, dice.choice((1000, 65536, 1 << 20)))
    if not piece:
        break
    sum.update(piece)
    size += len(piece)
    if dice.random() < 0.02:
        time.sleep(dice.random() / 50)
print(sum.hexdigest(), size)
"""


def fault(dice, framing):
    """A body whose connection's close is its end has none that anybody could see."""
    kinds = ("none", "stall") if framing == "close" else ("none", "cut", "reset", "stall")
    kind, at = dice.choice(kinds), dice.randrange(1, SIZE)
    return "" if kind == "none" else f"&{kind}={at}&first=1"


def urls(dice, origins, count):
    for i in range(count):
        framing = dice.choice(("length", "length", "chunked", "close"))
        yield dice.choice(origins).url(f"/bytes?n={SIZE}&framing={framing}&id=b{i}{fault(dice, framing)}")


def whole(record, expected):
    """What the reader printed, or what `count` has counted."""
    return record == f"{expected} {SIZE}" if isinstance(record, str) else bool(record) and record["bytes"] == SIZE


def measure(place):
    reader = place.dir / "reader"
    reader.write_text(READER)
    reader.chmod(0o755)
    config = place.dir / "bodies.conf"
    config.write_text(f'[parser "slow"]\ntype = exec\nstage = {reader}\n')
    ca = place.dir / "ca.pem"
    origins = [place.origin(), place.origin("--tls=good", "--ca", ca)]
    expected = hashlib.sha256(origins[0].get(f"/bytes?n={SIZE}")).hexdigest()
    daemon = place.daemon({"fetch.resume_delay": "5ms", "defaults.stall_timeout": "500ms", "fetch.ca_file": ca,
                           "defaults.max_attempts": "1", "fetch.host_connections": AT_ONCE, "defaults.unverified": "accept"},
                          config=config)
    dice = random.Random(11)
    count = place.size(BODIES, QUICK)
    jobs = [daemon.submit(url, parser=dice.choice(("slow", "slow", "count")), **dice.choice(({}, {"digest": "sha256"})))
            for url in urls(dice, origins, count)]
    wrong, resumes = 0, 0
    for job in jobs:
        verdict = daemon.verdict(job, seconds=1800)
        records = daemon.records(job) if verdict["state"] == "done" else [None]
        good = (verdict["state"] == "done" and verdict["bytes"] == SIZE and verdict["attempt"] == 1
                and verdict.get("sha256", expected) == expected and whole(records[-1], expected))
        if not good:
            print("#", verdict, records[-1], flush=True)
        wrong += not good
        resumes += verdict["resumes"]
    fetch = daemon.call("stats")["fetch"]
    yield figure("bodies", count, "")
    yield figure("resumes in all", resumes, "", (">=", count / 5))
    yield figure("spliced in all", fetch["spliced"], "", (">=", count / 20))
    yield figure("bodies that were not byte-exact in one attempt", wrong, "", ("<=", 0))


CASES = {"bodies": measure}

#!/usr/bin/env python3
"""Nothing walks all hosts, all jobs in memory, or all of what else users may have very many of, but a start, a reload, a
drain, the end, and hosts that change hands between the members of a fleet: an event costs what it is about, however
many there are. (How many hosts and jobs admission looks at is counted by tests/unit/job, how many buckets of rates by
tests/unit/fetch.)"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALLOWED = {
    "hosts_limits_changed": "a reload",
    "hosts_free": "the end",
    "users_limits_changed": "a reload",
    "user_turns_release": "a reload",
    "release_user": "a reload",
    "users_deinit": "the end",
    "cancel_commands": "a drain",
    "claim_drain": "a drain",
    "hosts_change_hands": "hosts change hands",
    "hosts_leave_backlog": "hosts change hands",
    "jobs_fence": "all hosts change hands",
    "waits_fail": "a drain",
    "rates_close": "the end",
}
# Trees and lists that have an entry for each host, job, worker, schedule or call that waits.
MANY = "hosts|active|by_uid|backlog.names|backlog.turn|backlog.blocked|by_host|by_name|awaited|waits->list|busy|idle"
FUNCTION = re.compile(r"^[a-z][^;{}()=]*\b(\w+)\([^;{}]*\)\n\{$(.*?)^\}$", re.M | re.S)
WALK = re.compile(rf"\b(?:tree|list)_for_each\(\w+, &[\w.>()-]*\b({MANY})\)")


def walkers():
    for folder in ("job", "api", "schedule", "fetch", "parse"):
        for path in sorted((ROOT / "daemon" / folder).glob("*.[ch]")):
            text = path.read_text()
            found = [name for name, body in FUNCTION.findall(text) for _ in WALK.findall(body)]
            if len(found) != len(WALK.findall(text)):
                print(f"{path.relative_to(ROOT)}: a walk over hosts or jobs stands in no function that this check can read")
                yield path, None
            for name in found:
                yield path, name


def main():
    seen, bad = set(), 0
    for path, name in walkers():
        if name not in ALLOWED:
            print(f"{path.relative_to(ROOT)}: {name} walks all hosts or all jobs in memory")
            bad = 1
        seen.add(name)
    for name in sorted(ALLOWED.keys() - seen):
        print(f"tests/check/walks.py: {name} walks nothing any more")
        bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())

"""The scenarios of the control socket for the sweeps: each is a function of a sweep.Run. What an answer tells must be all
of it, or an error: Run.whole compares an answer's members with those of the plays in which nothing failed."""
import socket

from sweep import Refused, Wrong


def submit(run):
    run.ended(run.submit(run.rpc()))


def bulk(run):
    """Several jobs in one line, then requests in one line."""
    rpc = run.rpc()
    answers = run.call(rpc, "submit", [run.job(labels={"n": str(i)}) for i in range(4)])
    if len(answers) != 4:
        raise Wrong(f"{len(answers)} answers to four jobs")
    for job in [run.acknowledged(answer["id"]) for answer in answers if "id" in answer]:
        run.ended(job)
    rpc.send([{"jsonrpc": "2.0", "id": i, "method": "submit", "params": run.job(key=f"{run.sweep.plays}-{i}")} for i in range(3)])
    answers = rpc.receive()
    if answers is None:
        raise Refused("closed")
    if [answer.get("id") for answer in answers] != [0, 1, 2]:
        raise Wrong(f"three requests were answered by {answers}")
    for answer in answers:
        if "result" in answer:
            run.ended(run.acknowledged(answer["result"]["id"]))


def wait(run):
    rpc = run.rpc()
    job = run.submit(rpc)
    told = run.call(rpc, "wait", {"ids": [job]})["jobs"]
    if [(view["id"], view["state"]) for view in told] != [(job, "done")] or told[0]["url"] not in run.sweep.asked:
        raise Wrong(f"wait told {told}")
    run.whole("wait", told)


def follow(run):
    rpc = run.rpc()
    job = run.acknowledged(run.call(rpc, "submit", {**run.job(), "follow": True})["id"])
    events = []
    while True:
        message = rpc.receive()
        if message is None:
            raise Refused("closed")
        if message["method"] == "end":
            break
        events.append(message)
    told = [m["params"] for m in events if m["method"] == "event" and m["params"].get("job") == job]
    verdicts = [event for event in told if event["event"] == "verdict"]
    missed = sum(m["params"].get("lines", 0) for m in events if m["method"] != "event")
    if len(verdicts) != 1:
        raise Wrong(f"a follower was told {len(verdicts)} verdicts")
    mine = [event for event in told if event["event"] == "record" and event["attempt"] == verdicts[0]["attempt"]]
    if not missed and len(mine) != verdicts[0]["records"]:
        raise Wrong(f"a follower was told {len(mine)} records of {verdicts[0]}")


def views(run):
    rpc = run.rpc()
    jobs = [run.submit(rpc, labels={"a": "b"}) for _ in range(2)]
    for job in jobs:
        run.ended(job)
    run.call(rpc, "wait", {"ids": jobs})
    listed = run.call(rpc, "list", {"limit": 2, "label": {"a": "b"}})
    if [view["id"] for view in listed["jobs"]] != jobs[::-1]:
        raise Wrong(f"of {jobs} were listed {[view['id'] for view in listed['jobs']]}")
    run.whole("list", listed["jobs"])
    run.whole("show", run.call(rpc, "show", {"id": jobs[0]}))


def figures(run):
    rpc = run.rpc()
    for method in ("ping", "stats", "parsers", "top"):
        run.whole(method, run.call(rpc, method))
    text = run.call(rpc, "metrics", {"format": "prometheus"})
    run.whole("metrics", sorted({line.split("{")[0].split(" ")[0] for line in text.splitlines() if line[0] != "#"}))


def scrape(run):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as page:
        page.settimeout(run.patience)
        page.connect(str(run.daemon.settings["metrics.listen"]))
        page.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := page.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise Refused(head[:100])
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None)
    if length is not None and int(length.split(b":")[1]) != len(body):
        raise Refused("cut")
    run.whole("scrape", sorted({line.split(b"{")[0].split(b" ")[0].decode() for line in body.splitlines() if line[:1] != b"#"}))


def cancel(run):
    rpc = run.rpc()
    url = run.url("/lines?endless=1&drip=1,1000")
    mine = {"play": str(run.sweep.plays)}
    run.later(lambda: run.call(run.rpc(), "cancel", {"label": mine}))
    job = run.acknowledged(run.call(rpc, "submit", {"url": url, "labels": mine})["id"])
    told = run.call(rpc, "cancel", {"id": job})
    if told["cancelled"] != [job]:
        raise Wrong(f"cancel of {job} answered {told}")
    if run.ended(job)["state"] != "cancelled":
        raise Wrong(f"job {job} was cancelled: {run.ended(job)}")


def retry(run):
    rpc = run.rpc()
    job = run.submit(rpc, labels={"a": "b"})
    run.ended(job)
    run.call(rpc, "wait", {"ids": [job]})
    told = run.call(rpc, "retry", {"id": job})
    if [one["retry_of"] for one in told["retried"]] != [job] or told["missing"]:
        raise Wrong(f"retry of {job} answered {told}")
    again = run.ended(run.acknowledged(told["retried"][0]["id"]))
    if again["labels"] != {"a": "b"}:
        raise Wrong(f"what was retried has other labels: {again}")


def operate(run):
    rpc = run.rpc()
    for params in ({"parser": "csv"}, {"host": "other.example"}):
        run.call(rpc, "pause", params)
        run.call(rpc, "resume", params)
    run.call(rpc, "reload")


def schedules(run):
    rpc = run.rpc()
    name = f"s{run.sweep.plays}"
    # With `every` it would be due at once, and the run that is asked for could be the second one, with conditions.
    asked = {**run.job(), "cron": "0 0 1 1 *", "timezone": "UTC", "labels": {"of": name}}
    run.call(rpc, "schedule_add", {"name": name, **asked})
    job = run.acknowledged(run.call(rpc, "schedule_run", {"name": name})["id"])
    verdict = run.ended(job)
    if verdict["labels"] != {"of": name} or verdict["url"] != asked["url"]:
        raise Wrong(f"the schedule {name} ran as {verdict}")
    listed = run.call(rpc, "schedule_list", {"limit": 1, "after": name[:-1] + chr(ord(name[-1]) - 1) + "~"})
    if [one["name"] for one in listed["schedules"]] != [name]:
        raise Wrong(f"of {name} was listed {listed}")
    run.call(rpc, "schedule_remove", {"name": name})


def apply(run):
    rpc = run.rpc()
    named = [f"{run.sweep.plays % 3}{letter}" for letter in "abc"]
    wanted = [{"name": name, "url": run.url(), "parser": "lines", "cron": "0 0 1 1 *", "timezone": "Europe/Berlin"} for name in named]
    told = run.call(rpc, "schedule_apply", {"schedules": wanted, "prune": True})
    if not {one["name"] for one in told["changes"]} >= set(named):
        raise Wrong(f"apply of {named} answered {told}")
    listed = run.call(rpc, "schedule_list", {})["schedules"]
    if [(one["name"], one["url"]) for one in listed] != [(one["name"], one["url"]) for one in wanted]:
        raise Wrong(f"what was applied is listed as {listed}")


SCENARIOS = {f.__name__: f for f in (submit, bulk, wait, follow, views, figures, scrape, cancel, retry, operate, schedules, apply)}

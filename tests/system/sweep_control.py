"""The scenarios of the control socket for the sweeps: each is a function of a sweep.Run."""


def submit(run):
    run.ended(run.submit(run.rpc()))


def bulk(run):
    """An array of jobs in one line, then of requests."""
    rpc = run.rpc()
    answers = run.call(rpc, "submit", [run.job(labels={"n": str(i)}) for i in range(4)])
    for answer in answers:
        if "id" in answer:
            run.ended(run.acknowledged(answer["id"]))


def wait(run):
    rpc = run.rpc()
    job = run.submit(rpc)
    run.call(rpc, "wait", {"ids": [job]})
    run.ended(job)


def stats(run):
    rpc = run.rpc()
    for method in ("ping", "stats", "parsers"):
        run.call(rpc, method)


SCENARIOS = {f.__name__: f for f in (submit, bulk, wait, stats)}

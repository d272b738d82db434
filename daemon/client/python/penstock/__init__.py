"""URLs as files, through penstockd: what is read ends only where the whole body has arrived.

    async with penstock.connect() as p:
        async with p.open(url) as body:                                   # a real descriptor
            await loop.run_in_executor(None, module.parse, body.fileno())
        async with p.pipeline(url, ["jq", "."], ["wc", "-l"]) as stages:
            print(await stages.output())
        async for record in p.submit(url, parser="csv").records():
            print(record)

The same without asyncio is in penstock.blocking. Options have the names of penstockctl's, with _ for -: max_body="1G",
labels={"team": "data"}. Needs Python 3.9 and nothing else; penstockd is found as penstockctl finds it.
"""
from ._async import Body, Connection, Job, Pipeline, connect
from ._errors import ConnectionLost, Error, Incomplete, JobFailed, LinesMissed, Refused, StageFailed
from ._verdict import Verdict

__all__ = ["Body", "Connection", "ConnectionLost", "Error", "Incomplete", "Job", "JobFailed", "LinesMissed", "Pipeline", "Refused",
           "StageFailed", "Verdict", "connect"]
__version__ = "0.1.0"

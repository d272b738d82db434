#!/usr/bin/env python3
"""What one writes with asyncio today: aiohttp downloads, each body goes through an os.pipe into a blocking parser
of a file object. Two thread pools, one for the blocking writes and one for the parsers (with one pool for both, the
writers can take every thread, and then no parser reads: a deadlock). Prints bodies and lines.

    aiohttp_peer.py COUNT CONCURRENCY URL
"""
import asyncio
import concurrent.futures
import os
import sys

import aiohttp


def parse(fd):
    """The blocking parser: lines of a file object."""
    with os.fdopen(fd, "rb") as body:
        return sum(1 for _ in body)


def write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


async def fetch(session, url, writers, parsers):
    loop = asyncio.get_running_loop()
    async with session.get(url) as response:
        response.raise_for_status()
        read_end, write_end = os.pipe()
        parsed = loop.run_in_executor(parsers, parse, read_end)
        try:
            async for chunk in response.content.iter_any():
                await loop.run_in_executor(writers, write_all, write_end, chunk)
        finally:
            os.close(write_end)
        return await parsed


async def work(session, url, left, pools):
    lines = 0
    for _ in left:
        lines += await fetch(session, url, *pools)
    return lines


async def main(count, concurrency, url):
    left = iter(range(count))
    connector = aiohttp.TCPConnector(limit=concurrency)
    with concurrent.futures.ThreadPoolExecutor(concurrency) as writers, \
            concurrent.futures.ThreadPoolExecutor(concurrency) as parsers:
        async with aiohttp.ClientSession(connector=connector) as session:
            workers = [work(session, url, left, (writers, parsers)) for _ in range(concurrency)]
            print(count, sum(await asyncio.gather(*workers)))


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))

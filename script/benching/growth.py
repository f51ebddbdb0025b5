"""The daemon with 0, 1, 10, 100 and 1,000 known containers: memory, start, list, processor time when idle.

The containers are in the engine, too: one is made by the daemon, the others are its like, made at the engine's socket
as Compose makes them and with copies of the first one's compose file, since Compose would take ten minutes for them.
"""

import concurrent.futures
import json
import re
import statistics
import time
import uuid

from . import wire
from .figures import shown, spread
from .host import say

STEPS = (0, 1, 10, 100, 1000)
MEMORY, START, LIST, IDLE = ("idle memory, MiB", "start to ready, ms", "whole list, ms",
                             "processor time a day when idle, s")


def run(bench):
    steps = STEPS[:-1] if bench.quick else STEPS
    # What the other groups have left would be counted with the first steps.
    bench.stop_main()
    bench.remove_containers()
    bench.growth = {what: {} for what in (MEMORY, START, LIST, IDLE)}
    pattern, starts = None, {}
    for known in steps:
        if known and pattern is None:
            pattern = Pattern(bench)
        if known:
            pattern.reach(known)
        starts[known] = measure(bench, known)
    tell(bench, steps, starts)
    # A thousand of them would be in the way of whatever comes next.
    bench.remove_containers()


class Pattern:
    """The first container, and how others are made like it."""

    def __init__(self, bench):
        self.bench, self.known = bench, 1
        daemon = bench.start("growth")
        body = bench.body("pattern", tags=["growth"], env={"NAME": "value"})
        self.cuid = daemon.call("POST", "/containers", body, 201)["cuid"]
        daemon.stop()
        self.text = self.file(self.cuid).read_text()
        shown = wire.ask(wire.connect(bench.socket), "GET", f"/containers/{self.cuid}/json")
        self.body = json.dumps({**shown["Config"], "HostConfig": shown["HostConfig"]})

    def file(self, cuid):
        return self.bench.folder / "growth/compose" / cuid / "compose.yaml"

    def reach(self, count):
        say(f"{count - self.known} more containers")
        with concurrent.futures.ThreadPoolExecutor(8) as makers:
            list(makers.map(self.make, range(self.known, count)))
        self.known = count

    def make(self, number):
        cuid = f"c{uuid.uuid4()}"
        (self.bench.folder / "growth/mounts" / cuid).mkdir()
        self.file(cuid).parent.mkdir()
        self.file(cuid).write_text(self.text.replace(self.cuid, cuid).replace("pattern", f"like-{number}"))
        body = json.loads(self.body.replace(self.cuid, cuid))
        wire.ask(wire.connect(self.bench.socket), "POST", f"/containers/create?name={cuid}", body, 201)


def measure(bench, known):
    say(f"{known} known containers")
    starts = []
    for _ in range(bench.rounds(5)):
        daemon = bench.start("growth")
        starts.append(daemon.ready_ms)
        daemon.stop()
    daemon = bench.start("growth")
    have = daemon.call("GET", "/containers?limit=1")
    if have["total"] != known or known and have["containers"][0]["status"] != "created":
        raise RuntimeError(f"{known} containers are to be known, and of {have['total']} the first is {have}")
    time.sleep(2 if bench.quick else 6)
    bench.growth[MEMORY][known] = daemon.memory()[0]
    detail = (known, *daemon.memory(), daemon.threads())
    seconds = 4 if bench.quick else 20
    before = daemon.cpu_ms()
    time.sleep(seconds)
    bench.growth[IDLE][known] = (daemon.cpu_ms() - before) / 1000 * 86_400 / seconds
    bench.growth[START][known] = statistics.median(starts)
    bench.growth[LIST][known] = statistics.median(whole_list(daemon, known) for _ in range(30))
    daemon.stop()
    say(f"{known} known: " + ", ".join(f"{what} {shown(of[known])}" for what, of in bench.growth.items()))
    return starts, detail


def whole_list(daemon, known):
    """All pages of it, of 500 containers each."""
    begin, cursor, pages = time.perf_counter(), "", 0
    while cursor is not None:
        data = wire.call(daemon.connection, "GET", f"/containers?limit=500{cursor}", want=200)
        found = re.search(rb'"next_cursor":"([^"]+)"', data[-1000:]) or re.search(rb'"next_cursor":"([^"]+)"', data)
        cursor, pages = f"&cursor={found[1].decode()}" if found else None, pages + 1
    if pages != max(1, (known + 499) // 500):
        raise RuntimeError(f"{known} containers are on {pages} pages")
    return (time.perf_counter() - begin) * 1000


def tell(bench, steps, starts):
    for known in (steps[0], steps[-1]):
        rss, pss, anonymous, threads = starts[known][1][1:]
        aim = {"aim": "below 15 MiB", "verdict": "yes" if rss < 15 else "**no**"} if known == 0 else {}
        bench.absolute(f"idle memory, {known:,} known containers",
                       f"{rss:.1f} MiB resident (PSS {pss:.1f}, not of files {anonymous:.1f}; {threads} threads)", **aim)
    for known in steps:
        if known in (0, 100, 1000):
            bench.absolute(f"start to ready, {known:,} known containers", f"{spread(starts[known][0])} ms")
    for known in (steps[0], steps[-1]):
        bench.absolute(f"processor time a day when idle, {known:,} known containers",
                       f"{shown(bench.growth[IDLE][known])} s")

"""Reads of the daemon against the same reads of the engine over its own socket, by the same client."""

import concurrent.futures
import json
import statistics
import subprocess
import urllib.parse

from . import wire
from .bench import LABEL
from .figures import Reach, shown
from .host import say

KNOWN = 50


def run(bench):
    daemon = bench.daemon()
    cuid = fill(bench, daemon)
    filters = urllib.parse.quote(json.dumps({"label": [f"{LABEL}={bench.token}"]}))
    kinds = {
        f"`GET /containers` of {KNOWN}": (
            f"/containers?limit={KNOWN}", "`/containers/json`", f"/containers/json?all=1&limit={KNOWN}&filters={filters}"),
        "`GET /containers/{id}/status`": (
            f"/containers/{cuid}/status", "`/containers/{id}/json`", f"/containers/{cuid}/json"),
    }
    seconds, rounds = (0.5, 2) if bench.quick else (1.5, 5)
    for what, (ours, name, theirs) in kinds.items():
        limit(bench, what, daemon, ours, seconds, rounds)
        for connections in (1, 32):
            both = bench.pairs(
                f"{what}, {connections} connections", rounds,
                lambda: bench.loaded("read", daemon.place, ours, connections, seconds),
                lambda: bench.loaded("read", f"unix:{bench.socket}", theirs, connections, seconds))
            tell(bench, what, f"the engine's {name}", connections, *both)


def limit(bench, what, daemon, path, seconds, rounds):
    """What a server that does nothing reaches with an answer of the same size: no server on this host reaches more."""
    size = bench.loaded("read", daemon.place, path, 1, 0.1)["answer_bytes"]
    server = subprocess.Popen([bench.load_client, "answer", str(size)], stdout=subprocess.PIPE, text=True)
    try:
        place = server.stdout.readline().strip()
        both = bench.pairs(
            f"{what}, the most that is possible", rounds,
            lambda: bench.loaded("read", daemon.place, path, 32, seconds),
            lambda: bench.loaded("read", place, path, 32, seconds))
    finally:
        server.kill()
        server.wait()
    rates = [[told["rate"] for told in side] for side in both]
    bench.row(f"{what}, 32 connections", "a program that writes as many bytes and does nothing else", *rates, "requests/s")


def tell(bench, what, against, connections, ours, theirs):
    what = f"{what}, {connections} connection{'s' if connections > 1 else ''}"
    rates = [[told["rate"] for told in side] for side in (ours, theirs)]
    cpu = [max(told["client_cpu"] for told in side) * 100 for side in (ours, theirs)]
    sizes = [side[0]["answer_bytes"] / 1024 for side in (ours, theirs)]
    reach = Reach(20, at_least=True) if connections == 32 else None
    bench.row(what, against, *rates, "requests/s", reach, notes=[
        f"{what}: answers of {shown(sizes[0])} and {shown(sizes[1])} KiB; the client took at most "
        f"{cpu[0]:.0f} % and {cpu[1]:.0f} % of one processor"])
    p99 = [[told["p99_us"] / 1000 for told in side] for side in (ours, theirs)]
    if connections == 32:
        bench.row(f"{what}: p99", against, *p99, "ms", Reach(5, unit=" ms"), value=statistics.median(p99[0]))
    else:
        bench.row(f"{what}: p99", against, *p99, "ms")


def fill(bench, daemon):
    """Makes it 50 containers, none of which runs but one."""
    have = daemon.call("GET", "/containers")["total"]
    say(f"{KNOWN - have} more containers")

    def make(number):
        return wire.ask(wire.connect(daemon.port), "POST", "/containers", bench.body(f"fill-{number}"), 201)["cuid"]

    with concurrent.futures.ThreadPoolExecutor(3) as makers:
        cuid = list(makers.map(make, range(KNOWN - have)))[0]
    daemon.call("POST", f"/containers/{cuid}/start")
    return cuid

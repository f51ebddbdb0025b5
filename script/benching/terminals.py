"""Processes in containers: one-shot execs, floods of output, keys; against docker's command line."""

import statistics
import subprocess
import time

from . import host
from .figures import Reach

LINE = "2026-01-01T00:00:00.000Z INFO request served path=/shop/basket status=200 took=12ms\n"


# The engine's processes that pass output on.
ENGINE = ["dockerd", "containerd-shim"]


def run(bench):
    daemon = bench.daemon()
    cuid = bench.create("terminals", state="running")
    one_shot(bench, daemon, cuid)
    lines = (16 if bench.quick else 128) * 1024 * 1024 // len(LINE)
    (bench.mount(cuid) / "flood.txt").write_text(LINE * lines)
    ws = f"/ws/{cuid}?cmd=cat&cmd=/app/flood.txt"
    exec_cat = [cuid, "cat", "/app/flood.txt"]
    flood(bench, daemon, "terminal flood, pipe", "`docker exec`", lines * len(LINE),
          ["ws", daemon.place, f"{ws}&tty=false"], ["pipe", "docker", "exec", *exec_cat])
    # A terminal puts a carriage return before each line break.
    flood(bench, daemon, "terminal flood, tty", "`docker exec -it`", lines * (len(LINE) + 1),
          ["ws", daemon.place, f"{ws}&cols=80&rows=24"], ["pty", "docker", "exec", "-it", *exec_cat])
    (bench.mount(cuid) / "flood.txt").unlink()
    echo(bench, daemon, cuid)
    daemon.call("DELETE", f"/containers/{cuid}?force=true")


def one_shot(bench, daemon, cuid):
    def ours():
        begin = time.perf_counter()
        told = daemon.call("POST", f"/containers/{cuid}/exec", {"cmd": ["true"]})
        if told["exit_code"] != 0:
            raise RuntimeError(f"true ends with {told}")
        return (time.perf_counter() - begin) * 1000

    def theirs():
        begin = time.perf_counter()
        subprocess.run(["docker", "exec", cuid, "true"], check=True, capture_output=True)
        return (time.perf_counter() - begin) * 1000

    times = bench.pairs("one-shot execs", bench.rounds(30, 5), ours, theirs)
    bench.row("one-shot exec of `true`", "`docker exec`", *times, "ms", Reach(0.80))


def flood(bench, daemon, what, against, expected, ours, theirs):
    def rate(arguments):
        before = host.processor_seconds(ENGINE), host.processor_seconds([daemon.process.pid])
        told = bench.loaded("flood", *arguments)
        after = host.processor_seconds(ENGINE), host.processor_seconds([daemon.process.pid])
        engine, own = (then - now for now, then in zip(before, after))
        gib = told["bytes"] / 1024**3
        spent.setdefault(arguments[0], []).append(
            [engine / gib, own / gib, told["client_cpu"] * told["seconds"] / gib])
        if told["bytes"] != expected:
            raise RuntimeError(f"{what}: {told['bytes']} bytes of {expected} came by {arguments[0]}")
        shares.setdefault(arguments[0], []).append(told["client_cpu"] * 100)
        return told["bytes"] / told["seconds"] / 1024 / 1024

    shares, spent = {}, {}
    rates = bench.pairs(what, bench.rounds(6), lambda: rate(ours), lambda: rate(theirs))
    bench.row(what, against, *rates, "MiB/s", Reach(0.95, at_least=True), notes=[
        f"{what}: {expected / 1024 / 1024:.0f} MiB of text, from the first to the last byte that came; the client took "
        f"at most {max(shares['ws']):.0f} % of one processor to read the frames", costs(what, spent, against)])


def costs(what, spent, against):
    """Where the processors' time went: a flood takes all of it."""
    engine, own, client = (statistics.median(column) for column in zip(*spent.pop("ws")))
    (other,) = spent.values()
    other_engine, _, other_client = (statistics.median(column) for column in zip(*other))
    return (f"{what}, seconds of a processor for each GiB: the engine and its shim {engine:.2f}, the daemon {own:.2f}, "
            f"the client that reads the frames {client:.2f}; with {against} the engine and its shim {other_engine:.2f}, "
            f"the client that reads its output {other_client:.2f}, and the command itself beside them")


def echo(bench, daemon, cuid):
    keys = 200 if bench.quick else 2000
    both = bench.pairs(
        "keys", bench.rounds(6),
        lambda: bench.loaded("echo", "ws", daemon.place, f"/ws/{cuid}?cols=80&rows=24&cmd=cat", keys),
        lambda: bench.loaded("echo", "pty", keys, "docker", "exec", "-it", cuid, "cat"))
    for name, share, reach in (("median", "p50_us", Reach(1.0)), ("p99", "p99_us", None)):
        times = [[told[share] / 1000 for told in side] for side in both]
        bench.row(f"keystroke echo, {name}", "`docker exec -it`", *times, "ms", reach)

"""Zips up and down against `unzip` and `zip -r` of the same files on the same disk."""

import functools
import os
import random
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import wire
from .figures import Reach, shown
from .host import say

MIB = 1024 * 1024
WORDS = [word.encode() for word in """container image volume network service compose port start stop request answer
    error warning info debug user file folder archive upload download token basket order price customer payment""".split()]


@functools.cache
def pool():
    """Text that packs as programs and logs do; no packer looks back as far as it is long."""
    dice, lines, made = random.Random(5), [], 0
    while made < 16 * MIB:
        lines.append(b" ".join(dice.choices(WORDS, k=64)) + b" %d\n" % dice.randrange(1 << 40))
        made += len(lines[-1])
    return b"".join(lines) * 3


def text(length, dice):
    at = dice.randrange(16 * MIB)
    return pool()[at:at + length]


def write(path, length, dice, packed):
    """Half of the files are packed already, as pictures are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dice.randbytes(length) if packed else text(length, dice))


@dataclass
class Tree:
    """A folder, what it is called, and whether it is downloaded too."""
    name: str
    folder: Path
    down: bool = True

    @property
    def zip(self):
        return self.folder.with_suffix(".zip")


def small(folder, dice, quick):
    for number in range(500 if quick else 5000):
        write(folder / f"d{number % 100}" / f"f{number}", dice.randrange(200, 8000), dice, number % 4 == 0)


def single(folder, dice, quick):
    folder.mkdir()
    with open(folder / "one.bin", "wb") as file:
        for number in range(24 if quick else 240):
            file.write(dice.randbytes(MIB) if number % 2 else text(MIB, dice))


def mixed(folder, dice, quick):
    left, number = (64 if quick else 1024) * MIB, 0
    while left > 0:
        length = min(left, int(dice.paretovariate(0.9) * 60_000) % (24 * MIB))
        write(folder / f"d{number % 40}" / f"f{number}", length, dice, number % 2 == 0)
        left, number = left - length, number + 1


def run(bench):
    dice = random.Random(7)
    bench_folder = bench.folder / "archives"
    bench_folder.mkdir()
    trees = [Tree("5,000 small files", bench_folder / "small"),
             Tree("one file of 240 MB", bench_folder / "single", down=False),
             Tree("1 GB of mixed files", bench_folder / "mixed")]
    cuid = bench.create("archives")
    for tree, make in zip(trees, (small, single, mixed)):
        say(f"{tree.name} are made")
        make(tree.folder, dice, bench.quick)
        if tree.down:
            down(bench, cuid, tree)
        else:
            pack(tree)
        up(bench, cuid, tree)
        shutil.rmtree(tree.folder)
        tree.zip.unlink()
    bench.daemon().call("DELETE", f"/containers/{cuid}?force=true")


def settled():
    """What was written before is not written while the next is measured."""
    os.sync()
    time.sleep(0.2)


def pack(tree):
    tree.zip.unlink(missing_ok=True)
    subprocess.run(["zip", "-q", "-r", tree.zip, "."], cwd=tree.folder, check=True)


def down(bench, cuid, tree):
    mount, got = bench.mount(cuid) / "tree", bench.folder / "got.zip"
    shutil.copytree(tree.folder, mount)
    daemon = bench.daemon()

    def ours():
        settled()
        before = daemon.cpu_ms()
        told = bench.loaded("fetch", daemon.place, f"/containers/{cuid}/download-zip?path=tree", got)
        cpu.append((daemon.cpu_ms() - before) / 1000)
        sizes.append(told["bytes"] / MIB)
        return told["seconds"]

    def theirs():
        tree.zip.unlink(missing_ok=True)
        settled()
        begin = time.perf_counter()
        pack(tree)
        return time.perf_counter() - begin

    cpu, sizes = [], []
    times = bench.pairs(f"download-zip of {tree.name}", bench.rounds(5 if "small" in tree.name else 3), ours, theirs)
    tested = subprocess.run(["unzip", "-tq", got], capture_output=True, text=True)
    if tested.returncode:
        raise RuntimeError(f"what was downloaded is no good zip: {tested.stdout}")
    bench.row(f"download-zip of {tree.name}", "`zip -r`", *times, "s", Reach(0.50), notes=[
        f"download-zip of {tree.name}: {shown(sizes[0])} MiB, by `zip -r` {shown(tree.zip.stat().st_size / MIB)} MiB; "
        f"{shown(min(cpu))} s of processor time"])
    got.unlink()
    shutil.rmtree(mount)


def up(bench, cuid, tree):
    daemon, by_hand = bench.daemon(), bench.folder / "unzipped"
    by_hand.mkdir()
    mount = bench.mount(cuid)

    # A folder of its own for each round: ext4 takes ten times as long where as many files were removed just before.
    def ours():
        settled()
        before, begin = daemon.cpu_ms(), time.perf_counter()
        upload(daemon, f"/containers/{cuid}/upload-zip?path=up{len(cpu)}", tree.zip)
        took = time.perf_counter() - begin
        cpu.append((daemon.cpu_ms() - before) / 1000)
        return took

    def theirs():
        settled()
        begin = time.perf_counter()
        subprocess.run(["unzip", "-q", tree.zip, "-d", by_hand / str(len(synced))], check=True)
        took = time.perf_counter() - begin
        subprocess.run(["sync", "-f", by_hand], check=True)
        synced.append(time.perf_counter() - begin)
        return took

    cpu, synced = [], []
    ours, theirs = bench.pairs(f"upload-zip of {tree.name}", bench.rounds(5 if "GB" not in tree.name else 4), ours, theirs)
    same(tree.folder, mount / "up0")
    bench.row(f"upload-zip of {tree.name}", "`unzip`", ours, theirs, "s", Reach(0.80), notes=[
        f"upload-zip of {tree.name}: the archive has {shown(tree.zip.stat().st_size / MIB)} MiB; "
        f"{shown(min(cpu))} s of processor time"])
    bench.row(f"upload-zip of {tree.name}", "`unzip` and `sync -f`: as durable as an upload is", ours, synced, "s")
    for folder in [*mount.glob("up*"), by_hand]:
        shutil.rmtree(folder)
    time.sleep(6)


def upload(daemon, path, file):
    with open(file, "rb") as body:
        length = os.fstat(body.fileno()).st_size
        client = wire.begin(daemon.port, "POST", path, "Content-Type: application/zip", f"Content-Length: {length}")
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendfile(body)
        wire.end(client)


def same(one, other):
    """What is measured has to be right, too."""
    told = subprocess.run(["diff", "-r", "-q", one, other], capture_output=True, text=True)
    if told.returncode:
        raise RuntimeError(f"not what was uploaded: {told.stdout[:300]}")

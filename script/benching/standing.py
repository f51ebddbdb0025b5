"""Figures of the daemon alone: what it takes while it stands by, and under what could make it grow."""

import contextlib
import os
import random
import socket
import struct
import time
import zlib
from pathlib import Path

from . import wire
from .figures import shown
from .host import say

MIB = 1024 * 1024
TERMINALS = 200


def run(bench):
    bench.stop_main()
    size = Path(bench.binary).stat().st_size / MIB
    bench.absolute("size of the binary", f"{size:.1f} MiB")
    terminals(bench)
    large_upload(bench)


# --- terminals

def terminals(bench):
    daemon = bench.start("terminals")
    body = bench.body("many-terminals", state="running")
    cuid = daemon.call("POST", "/containers", body, 201)["cuid"]
    time.sleep(1)
    grown = bench.terminals
    open_ones, count = [], 20 if bench.quick else TERMINALS
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: [one.close() for one in open_ones])
        for wanted in [0, *(step for step in (1, 10, 100) if step < count), count]:
            say(f"{wanted} terminals")
            while len(open_ones) < wanted:
                open_ones.append(open_terminal(daemon.port, cuid))
            time.sleep(2)
            grown[wanted] = daemon.memory()[0]
    each = (grown[count] - grown[0]) / count * 1024
    bench.absolute(f"memory with {count} open terminals",
                   f"{grown[count]:.1f} MiB, {each:.0f} KiB for each above {grown[0]:.1f} MiB without one")
    time.sleep(4)
    bench.absolute("memory when they are closed", f"{daemon.memory()[0]:.1f} MiB")
    daemon.call("DELETE", f"/containers/{cuid}?force=true")
    daemon.stop()


def open_terminal(port, cuid):
    """A terminal with a shell in it; back when it is ready."""
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    client.sendall((f"GET /ws/{cuid}?cols=80&rows=24&cmd=sh HTTP/1.1\r\nHost: localhost\r\n"
                    f"Authorization: {wire.AUTH}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n").encode())
    got = b""
    while b'"ready"' not in got:
        piece = client.recv(4096)
        got += piece
        if not piece or not b"HTTP/1.1 101".startswith(got[:12]):
            raise RuntimeError(f"no terminal: {got[:300]!r}")
    return client


# --- one large upload

class LargeZip:
    """A zip with one stored file, made while it is sent: nothing of it is on the disk."""

    def __init__(self, mib):
        self.count, self.block = mib, random.Random(3).randbytes(MIB)
        checksum = 0
        for _ in range(mib):
            checksum = zlib.crc32(self.block, checksum)
        length, name = mib * MIB, b"large.bin"
        sizes = struct.pack("<HHQQ", 1, 16, length, length)
        # What both headers have: version, flags, method, time, date, checksum, sizes that stand in the zip64 field.
        common = struct.pack("<HHHHHIIIHH", 45, 0, 0, 0, 33, checksum, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(sizes))
        self.head = b"PK\3\4" + common + name + sizes
        central = (b"PK\1\2" + struct.pack("<H", 3 << 8 | 45) + common
                   + struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, 0) + name + sizes)
        at = len(self.head) + length
        end64 = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, len(central), at)
        locator = b"PK\6\7" + struct.pack("<IQI", 0, at + len(central), 1)
        end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), 0xFFFFFFFF, 0)
        self.tail = central + end64 + locator + end
        self.length = at + len(self.tail)

    def send(self, client):
        client.sendall(self.head)
        for _ in range(self.count):
            client.sendall(self.block)
        client.sendall(self.tail)


def large_upload(bench):
    mib = 512 if bench.quick else 5 * 1024
    daemon = bench.start("upload")
    cuid = daemon.call("POST", "/containers", bench.body("large-upload"), 201)["cuid"]
    say(f"an upload of {mib / 1024:g} GiB")
    archive = LargeZip(mib)
    time.sleep(1)
    os.sync()
    before, cpu = daemon.memory()[0], daemon.cpu_ms()
    daemon.forget_peak()
    begin = time.perf_counter()
    client = wire.begin(daemon.port, "POST", f"/containers/{cuid}/upload-zip", "Content-Type: application/zip",
                        f"Content-Length: {archive.length}")
    archive.send(client)
    sent = time.perf_counter() - begin
    wire.end(client)
    took = time.perf_counter() - begin
    got = (daemon.folder / "mounts" / cuid / "large.bin").stat().st_size
    if got != mib * MIB:
        raise RuntimeError(f"{got} bytes of the large file are there")
    peak = daemon.peak()
    bench.absolute(f"memory over an upload of {mib / 1024:g} GiB",
                   f"at most {peak:.1f} MiB, {before:.1f} MiB before it", "flat", "yes" if peak - before < 16 else "**no**")
    bench.absolute("the same upload", f"{took:.0f} s ({sent:.0f} s until all was sent), {(daemon.cpu_ms() - cpu) / 1000:.1f} s "
                   f"of processor time, {shown(mib / took)} MiB/s")
    daemon.call("DELETE", f"/containers/{cuid}?force=true")
    daemon.stop()

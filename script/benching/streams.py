"""Processor time of what streams, against that of docker's command line for the same."""

import contextlib
import http.client
import json
import os
import pty
import shutil
import socket
import subprocess
import threading
import time
import uuid

from . import host, wire
from .changes import free_ports
from .figures import Reach, shown
from .host import say

MIB = 1024 * 1024
NDJSON = "Accept: application/x-ndjson"


def run(bench):
    with registry(bench) as address:
        pull(bench, address)
    whole_log(bench)
    cuid = bench.create("streams", state="running", command="while :; do echo a line of a log; usleep 10000; done")
    following(bench, cuid)
    stats(bench, cuid)
    bench.daemon().call("DELETE", f"/containers/{cuid}?force=true")


# --- docker's command line

class Command:
    """A command at a terminal, where it shows what it shows a person, or with its output to a pipe."""

    def __init__(self, bench, *command, tty=False):
        self.got, self.seen = 0, threading.Condition()
        source, out = pty.openpty() if tty else os.pipe()
        self.child = subprocess.Popen(command, stdin=out if tty else subprocess.DEVNULL, stdout=out, stderr=out)
        bench.children.append(self.child)
        os.close(out)
        self.reader = threading.Thread(target=self.read, args=(source,), daemon=True)
        self.reader.start()

    def read(self, source):
        while True:
            try:
                piece = os.read(source, 1 << 18)
            except OSError:
                # So a terminal ends.
                piece = b""
            if not piece:
                return os.close(source)
            with self.seen:
                self.got += len(piece)
                self.seen.notify()

    def wait_for(self, length):
        with self.seen:
            if not self.seen.wait_for(lambda: self.got >= length, timeout=60):
                raise RuntimeError(f"{self.got} bytes of {length} came")

    def end(self, by_itself=False):
        """The processor time of it and of all that it started, in milliseconds."""
        if not by_itself:
            # Some versions of `docker stats` do not end when they are asked to.
            self.child.kill()
        limit = time.monotonic() + 120
        while (ended := os.wait4(self.child.pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > limit:
                raise RuntimeError(f"{self.child.args} does not end")
            time.sleep(0.005)
        _, status, used = ended
        self.child.returncode = os.waitstatus_to_exitcode(status)
        if by_itself and status:
            raise RuntimeError(f"{self.child.args} ended with {status}")
        return (used.ru_utime + used.ru_stime) * 1000


# --- the daemon's streams

class Stream:
    """An answer that goes on."""

    def __init__(self, daemon, path, *headers):
        self.daemon, self.before = daemon, daemon.cpu_ms()
        self.client = wire.begin(daemon.port, "GET", path, *headers)
        self.answer = http.client.HTTPResponse(self.client)
        self.answer.begin()
        if self.answer.status != 200:
            raise RuntimeError(f"{path}: {self.answer.status} {self.answer.read()!r}")

    def wait_for(self, length):
        got = 0
        while got < length:
            piece = self.answer.read1(1 << 18)
            if not piece:
                raise RuntimeError(f"{got} bytes of {length} came")
            got += len(piece)

    def for_seconds(self, seconds):
        """Reads what comes in this time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.answer.read1(1 << 18)

    def end(self):
        used = self.daemon.cpu_ms() - self.before
        self.client.shutdown(socket.SHUT_RDWR)
        self.client.close()
        return used


# --- pulls

@contextlib.contextmanager
def registry(bench):
    """One on the loopback address, which engines trust without TLS."""
    folder, address = bench.folder / "registry", f"127.0.0.1:{free_ports(1)[0]}"
    folder.mkdir()
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {folder}/blobs}}}}\n"
        f"http: {{addr: '{address}', relativeurls: true}}\n")
    with open(folder / "log", "w") as log:
        child = subprocess.Popen(["docker-registry", "serve", folder / "config.yml"], stdout=log, stderr=log)
    bench.children.append(child)
    name, port = address.split(":")
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection((name, int(port))):
            break
        time.sleep(0.05)
    else:
        raise RuntimeError(f"the registry does not listen: {(folder / 'log').read_text()}")
    try:
        yield address
    finally:
        child.terminate()
        child.wait()
        shutil.rmtree(folder)


def publish(bench, address, layers, each):
    """An image like no other, in the registry and not in the engine."""
    image, folder = f"{address}/bench/{uuid.uuid4()}:1", bench.folder / "image"
    folder.mkdir()
    lines = [f"FROM {host.IMAGE}"]
    for number in range(layers):
        (folder / str(number)).write_bytes(os.urandom(each))
        lines.append(f"COPY {number} /layer-{number}")
    (folder / "Dockerfile").write_text("\n".join(lines))
    bench.images.append(image)
    for command in (["build", "--quiet", "--tag", image, folder], ["push", "--quiet", image], ["rmi", image]):
        subprocess.run(["docker", *command], check=True, capture_output=True, env=os.environ | {"DOCKER_BUILDKIT": "0"})
    shutil.rmtree(folder)
    return image


def pull(bench, address):
    say("an image is published")
    layers, each = (4, 4 * MIB) if bench.quick else (6, 24 * MIB)
    image, daemon, took = publish(bench, address, layers, each), bench.daemon(), ([], [])

    def forget():
        subprocess.run(["docker", "rmi", image], check=True, capture_output=True)

    def ours():
        before, begin = daemon.cpu_ms(), time.perf_counter()
        body = json.dumps({"image": image}).encode()
        client = wire.begin(daemon.port, "POST", "/images/pull", NDJSON, "Content-Type: application/json",
                            f"Content-Length: {len(body)}")
        client.sendall(body)
        lines = wire.end(client).splitlines()
        took[0].append(time.perf_counter() - begin)
        records.append(len(lines))
        used = daemon.cpu_ms() - before
        forget()
        return used

    def theirs():
        begin = time.perf_counter()
        used = Command(bench, "docker", "pull", image, tty=True).end(by_itself=True)
        took[1].append(time.perf_counter() - begin)
        forget()
        return used

    records = []
    times = bench.pairs("pulls", bench.rounds(5), ours, theirs)
    bench.row("pull progress, processor time", "`docker pull` at a terminal", *times, "ms", Reach(1.0), notes=[
        f"pull progress: {layers} layers of {each // MIB} MiB from a registry on the same host; {records[-1]} records; "
        f"a pull took {shown(min(took[0]))} s, by `docker pull` {shown(min(took[1]))} s"])


# --- logs and stats

def whole_log(bench):
    lines = 5_000 if bench.quick else 50_000
    line = "a line of a log, as long as lines of logs are: " + "x" * 40
    cuid = bench.create("log", state="running", command=f"yes '{line}' | head -n {lines}; exec sleep 600")
    length, daemon = lines * (len(line) + 1), bench.daemon()
    path = f"/containers/{cuid}/logs?follow=true"
    Stream(daemon, path, "Accept: text/plain").wait_for(length)

    def ours():
        stream = Stream(daemon, path, "Accept: text/plain")
        stream.wait_for(length)
        return stream.end()

    def theirs():
        command = Command(bench, "docker", "logs", "-f", cuid)
        command.wait_for(length)
        return command.end()

    times = bench.pairs("a whole log", bench.rounds(6), ours, theirs)
    bench.row(f"log of {lines:,} lines, processor time", "`docker logs -f`", *times, "ms", Reach(1.0))
    daemon.call("DELETE", f"/containers/{cuid}?force=true")


def following(bench, cuid):
    seconds, daemon = 2 if bench.quick else 6, bench.daemon()
    for form in ("text/plain", "application/x-ndjson"):
        def ours():
            stream = Stream(daemon, f"/containers/{cuid}/logs?follow=true&tail=0", f"Accept: {form}")
            stream.for_seconds(seconds)
            return stream.end()

        def theirs():
            command = Command(bench, "docker", "logs", "-f", "--tail", "0", cuid)
            time.sleep(seconds)
            return command.end()

        times = bench.pairs(f"a log that goes on, {form}", bench.rounds(3), ours, theirs)
        bench.row(f"log followed for {seconds} s at some 90 lines a second, {form}, processor time",
                  "`docker logs -f`", *times, "ms", Reach(1.0))


def stats(bench, cuid):
    seconds, daemon = 4 if bench.quick else 10, bench.daemon()

    def ours():
        stream = Stream(daemon, f"/containers/{cuid}/stats?stream=true")
        stream.for_seconds(seconds)
        return stream.end()

    def theirs():
        command = Command(bench, "docker", "stats", cuid, tty=True)
        time.sleep(seconds)
        return command.end()

    times = bench.pairs("stats", bench.rounds(3), ours, theirs)
    bench.row(f"stats for {seconds} s, processor time", "`docker stats` at a terminal", *times, "ms", Reach(1.0))

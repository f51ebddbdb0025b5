"""One run: what it made, what it measured, and the end of all of it."""

import concurrent.futures
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import urllib.parse
from pathlib import Path

from . import host, wire
from .daemon import Daemon
from .figures import Absolute, Row
from .host import say

LABEL = "wharfinger-bench"


class Bench:
    def __init__(self, quick):
        self.quick = quick
        self.load_before = os.getloadavg()[0]
        self.socket = host.engine_socket()
        self.hand, self.hand_name = host.compose_by_hand()
        # /tmp may be in memory; what is compared with `unzip` has to be on a disk.
        folder = os.environ.get("TMPDIR", "/var/tmp")
        host.check(folder)
        self.binary, self.load_client = host.build_daemon(), host.build_load()
        subprocess.run([host.ROOT / "script/test-images"], check=True)
        self.token = secrets.token_hex(4)
        self.network = f"wharfinger-bench-{self.token}"
        self.folder = Path(tempfile.mkdtemp(prefix="wharfinger-bench-", dir=folder))
        self.daemons, self.children, self.images = [], [], []
        self.rows, self.absolutes = [], []
        # By the number of known containers, and of open terminals.
        self.growth, self.terminals = {}, {}
        self.main = None

    def rounds(self, whole, quick=2):
        return quick if self.quick else whole

    def row(self, *arguments, **named):
        row = Row(*arguments, **named)
        self.rows.append(row)
        say(" | ".join(row.cells()))
        for note in row.notes:
            say(f"    {note}")
        return row

    def absolute(self, *arguments, **named):
        figure = Absolute(*arguments, **named)
        self.absolutes.append(figure)
        say(f"{figure.what}: {figure.value} {figure.aim} {figure.verdict}")

    # --- what is made

    def start(self, folder):
        daemon = Daemon(self.binary, self.folder / folder, self.network)
        self.daemons.append(daemon)
        return daemon

    def daemon(self):
        """The one that the comparisons share."""
        if self.main is None:
            self.main = self.start("main")
        return self.main

    def stop_main(self):
        """Before others are measured alone: it would see each event of the engine, and work for it."""
        if self.main is not None:
            self.main.stop()
            self.main = None

    def body(self, name, **more):
        return {"image": host.IMAGE, "name": name, "labels": {LABEL: self.token}, **more}

    def create(self, name, **more):
        return self.daemon().call("POST", "/containers", self.body(name, **more), 201)["cuid"]

    def mount(self, cuid):
        return self.folder / "main/mounts" / cuid

    def loaded(self, *arguments):
        """Runs the client that measures."""
        env = os.environ | {"LOAD_AUTHORIZATION": wire.AUTH}
        done = subprocess.run([self.load_client, *map(str, arguments)], env=env, capture_output=True, text=True,
                              timeout=300)
        if done.returncode:
            raise RuntimeError(f"load {' '.join(map(str, arguments))}: {done.stderr}")
        return json.loads(done.stdout)

    # --- how it is measured

    @staticmethod
    def pair(number, ours, theirs):
        """Both, and who is first takes turns; answers what they answer, ours first."""
        if number % 2 == 0:
            return ours(), theirs()
        second = theirs()
        return ours(), second

    def pairs(self, what, rounds, ours, theirs):
        """So many pairs: two lists."""
        say(f"{what}: {rounds} rounds")
        both = [self.pair(number, ours, theirs) for number in range(rounds)]
        return [pair[0] for pair in both], [pair[1] for pair in both]

    # --- the end

    def clean(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        for daemon in self.daemons:
            daemon.stop()
        self.remove_containers()
        for image in self.images:
            subprocess.run(["docker", "rmi", "--force", image], capture_output=True)
        subprocess.run(["docker", "network", "rm", self.network], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def remove_containers(self):
        filters = urllib.parse.quote(json.dumps({"label": [f"{LABEL}={self.token}"]}))
        found = wire.ask(wire.connect(self.socket), "GET", f"/containers/json?all=1&filters={filters}")
        if not found:
            return
        say(f"{len(found)} containers are removed")

        def remove(container):
            wire.call(wire.connect(self.socket), "DELETE", f"/containers/{container['Id']}?force=1&v=1")

        with concurrent.futures.ThreadPoolExecutor(8) as removers:
            list(removers.map(remove, found))

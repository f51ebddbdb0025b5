"""A daemon of the run's own."""

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from . import wire


class Daemon:
    """A daemon with a data folder, which may be one that another daemon left."""

    def __init__(self, binary, folder, network):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        env = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ}
        env |= {"APP_USER": wire.USER, "APP_PASS": wire.PASSWORD, "APP_HOST": "127.0.0.1", "APP_PORT": "0",
                "APP_DATA_DIR": str(folder), "APP_NETWORK": network,
                # What 200 terminals of one container need; everything else is as it comes.
                "APP_MAX_TERMINALS_PER_CONTAINER": "256"}
        begin = time.perf_counter()
        self.process = subprocess.Popen([binary, "serve"], env=env, cwd=folder, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.port = None
        for line in self.process.stderr:
            if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                break
        if self.port is None:
            raise RuntimeError(f"the daemon ended with {self.process.wait()} before it listened")
        # A pipe that nobody reads would stop it.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.connection = wire.connect(self.port)
        while b'"ok"' not in wire.call(self.connection, "GET", "/healthz"):
            if time.perf_counter() - begin > 60:
                raise RuntimeError("the daemon is not well within 60 s")
            time.sleep(0.002)
        self.ready_ms = (time.perf_counter() - begin) * 1000

    @property
    def place(self):
        return f"tcp:127.0.0.1:{self.port}"

    def call(self, method, path, body=None, want=200):
        return wire.ask(self.connection, method, path, body, want)

    def memory(self):
        """What is resident, in MiB: all of it, its share (PSS), and what of it is not of a file."""
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        field = {name: int(kb) / 1024 for name, kb in re.findall(r"^(\w+):\s+(\d+) kB", rollup, re.M)}
        return field["Rss"], field["Pss"], field.get("Anonymous", 0.0)

    def forget_peak(self):
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def peak(self):
        """The most that was resident since then, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def threads(self):
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def cpu_ms(self):
        """Processor time so far, by the process's own clock, threads that have ended included."""
        return time.clock_gettime((~self.process.pid << 3) | 2) * 1000

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

"""What the host has: the engine's socket, what a person types, versions, what is missing."""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import wire

ROOT = Path(__file__).resolve().parent.parent.parent
IMAGE = "wharfinger-test/busybox:1"
PLUGINS = ["/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
           "/usr/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins"]
# Debian's package for each command.
NEEDED = {"unzip": "unzip", "zip": "zip", "docker-registry": "docker-registry", "docker": "docker.io"}
# Archives, what comes out of them, and the large upload twice.
FREE_BYTES = 16 << 30


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def engine_socket():
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        sys.exit("bench: DOCKER_HOST has to be a unix socket")
    return host.removeprefix("unix://")


def compose_by_hand():
    """What a person types, and what it is called in the document."""
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"], "`docker compose`, which starts the plugin"
    for folder in PLUGINS:
        plugin = f"{folder}/docker-compose"
        if os.access(plugin, os.X_OK):
            return [plugin], "the plugin `docker-compose` itself, which docker's command line does not find here"
    sys.exit("bench: neither docker compose nor its plugin was found")


def check(folder):
    missing = sorted({package for command, package in NEEDED.items() if not shutil.which(command)})
    if missing:
        sys.exit(f"bench: not installed: {', '.join(missing)}; apt-get install {' '.join(missing)}")
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        sys.exit(f"bench: {folder} has {free >> 30} GiB free and needs {FREE_BYTES >> 30}; "
                 "TMPDIR names another folder")
    running = subprocess.run(["docker", "ps", "--format", "{{.Names}}"], capture_output=True, text=True).stdout.split()
    if running:
        sys.exit(f"bench: {len(running)} containers run on this engine, whose work would be measured too: "
                 f"stop {', '.join(running)}")


def target():
    return Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")


def cargo(*arguments):
    program = shutil.which("cargo") or os.path.expanduser("~/.cargo/bin/cargo")
    done = subprocess.run([program, *arguments, "--release", "--locked"], cwd=ROOT, stdout=sys.stderr)
    if done.returncode:
        sys.exit(f"bench: cargo {' '.join(arguments)} ended with {done.returncode}")


def build_daemon():
    if binary := os.environ.get("WHARFINGER_BIN"):
        return str(Path(binary).resolve())
    cargo("build", "--bin", "wharfinger")
    return str(target() / "release/wharfinger")


def build_load():
    """The client, which is a package of its own; with what both need compiled once."""
    cargo("build", "--manifest-path", "benches/load/Cargo.toml", "--target-dir", str(target()))
    return str(target() / "release/wharfinger-load")


def first_line(*command):
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return (told.stdout.strip().splitlines() or ["?"])[0]


def about(bench):
    """Machine and versions, for the document."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / 1024 / 1024
    engine = wire.ask(wire.connect(bench.socket), "GET", "/version")
    system = wire.ask(wire.connect(bench.socket), "GET", "/info")
    file_system = first_line("findmnt", "-n", "-o", "FSTYPE", "-T", str(bench.folder))
    zips = first_line("unzip", "-v").split(",")[0], re.search(r"Zip \d\S*", subprocess.run(
        ["zip", "-v"], capture_output=True, text=True).stdout)
    yield (f"{os.cpu_count()} × {cpu[1] if cpu else platform.machine()}, {memory:.0f} GiB of memory, "
           f"Linux {platform.release()}, files on {file_system}")
    yield (f"engine {engine['Version']} (storage {system['Driver']}), command line {first_line('docker', '--version')}, "
           f"Compose {first_line(*bench.hand, 'version', '--short')}, {zips[0]}, {zips[1][0] if zips[1] else 'zip'}")
    commit = f"commit {first_line('git', 'describe', '--always', '--dirty')}, release build of {first_line('rustc', '--version')}"
    yield f"{first_line(bench.binary, '--version')}, {'WHARFINGER_BIN' if 'WHARFINGER_BIN' in os.environ else commit}"
    yield (f"load of the host {bench.load_before:.1f} when the run began"
           f"{' (--quick: few rounds)' if bench.quick else ''}")


def processor_seconds(which):
    """User and system time of processes, of this pid or with a name that begins so."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        pid, rest = text.split(" ", 1)
        name, fields = rest[1:].rsplit(")", 1)
        if any(name.startswith(one) if isinstance(one, str) else int(pid) == one for one in which):
            total += sum(map(int, fields.split()[11:13]))
    return total / os.sysconf("SC_CLK_TCK")

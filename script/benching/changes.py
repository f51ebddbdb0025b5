"""Changes of containers through REST against Compose by hand on the same file."""

import re
import secrets
import socket
import subprocess
import time

from .figures import Reach
from .host import say

REACHES = {"create": 0.95, "start": 0.95, "pause": 0.70, "unpause": 0.70, "restart": 0.95, "port change": 0.95,
           "stop": 0.95}
BY_HAND = {"port change": "the file edited, `docker compose up -d`"}


def free_ports(count):
    """Ports that nothing listens on now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


def with_port(text, port):
    """A compose file that publishes this port and no other."""
    changed, count = re.subn(r"^(\s+published: ).*$", rf"\g<1>'{port}'", text, flags=re.MULTILINE)
    if count != 1:
        raise RuntimeError(f"the compose file has {count} ports to change:\n{text}")
    return changed


class Twin:
    """The same compose file under an id of its own, in a folder that the daemon does not know."""

    def __init__(self, bench, text, cuid, number):
        self.bench = bench
        own = f"c{secrets.token_hex(4)}-0000-4000-8000-{number:012d}"
        folder = bench.folder / "hand" / own
        folder.mkdir(parents=True)
        (bench.folder / "mounts" / own).mkdir(parents=True)
        self.file = folder / "compose.yaml"
        self.file.write_text(text.replace(cuid, own))

    def do(self, *verb):
        begin = time.perf_counter()
        done = subprocess.run([*self.bench.hand, "-f", str(self.file), *verb], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(verb)}: {done.stderr}")
        return (time.perf_counter() - begin) * 1000

    def publish(self, port):
        """Edits the port in the file, as a person would, and brings it up."""
        self.file.write_text(with_port(self.file.read_text(), port))
        return self.do("up", "-d")


def run(bench):
    daemon = bench.daemon()
    times = {verb: ([], []) for verb in REACHES} | {"up": ([], [])}

    def timed(method, path, body=None, want=200):
        begin = time.perf_counter()
        answer = daemon.call(method, path, body, want)
        return answer, (time.perf_counter() - begin) * 1000

    def note(verb, number, ours, theirs):
        for kept, took in zip(times[verb], bench.pair(number, ours, theirs)):
            kept.append(took)

    ports = free_ports(2 + 4 * bench.rounds(10))
    mapped = [{"host": ports.pop(), "container": 80, "host_ip": "127.0.0.1"}]
    first = bench.create("pattern", ports=mapped)
    pattern = (bench.folder / "main/compose" / first / "compose.yaml").read_text()
    rounds = bench.rounds(10)
    for number in range(rounds):
        say(f"changes, round {number + 1} of {rounds}")
        mapped[0]["host"], by_hand = ports.pop(), ports.pop()
        twin = Twin(bench, with_port(pattern, by_hand), first, number)
        made = {}

        def create():
            body = bench.body(f"own-{number}", ports=mapped)
            answer, took = timed("POST", "/containers", body, 201)
            made["cuid"] = answer["cuid"]
            return took

        note("create", number, create, lambda: twin.do("create"))
        path = f"/containers/{made['cuid']}"
        for verb in ("start", "pause", "unpause", "restart"):
            note(verb, number, lambda: timed("POST", f"{path}/{verb}")[1], lambda: twin.do(verb))
        wanted = {"ports": [{**mapped[0], "host": ports.pop()}]}
        another = ports.pop()
        note("port change", number, lambda: timed("PATCH", f"{path}/ports", wanted)[1], lambda: twin.publish(another))
        note("stop", number, lambda: timed("POST", f"{path}/stop")[1], lambda: twin.do("stop"))
        # The verb by which the daemon starts, so that what Compose's two ways differ by is seen.
        times["up"][1].append(twin.do("up", "-d"))
        twin.do("down", "--timeout", "0")
        daemon.call("DELETE", f"{path}?force=true")
    for verb, reach in REACHES.items():
        ours, theirs = times[verb]
        bench.row(verb, BY_HAND.get(verb, f"`docker compose {verb}`"), ours, theirs, "ms", Reach(reach))
    bench.row("start", "`docker compose up -d`, the verb that the daemon uses", times["start"][0], times["up"][1], "ms")



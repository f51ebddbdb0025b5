"""Runs the guide's Python clients as they are printed. See README.md beside this file."""

import asyncio
import contextlib
import io
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import warnings

import requests
import websockets

from support import (
    AUTH, HEADERS, HERE, HOST, PASS, URL, USER, all_cuids, block, call, check, delete, must,
    running_container, until, zip_of,
)
import support

# `extra_headers` is deprecated where it still works.
warnings.simplefilter("ignore", DeprecationWarning)


@contextlib.contextmanager
def printed():
    """What the guide's code prints."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        yield text


def basic_auth(space):
    exec(block("python/basic_auth.py", also={
        '"admin"': repr(USER), '"your_secure_password_here"': repr(PASS),
    }), space)
    check("Authentication: the header is accepted",
          requests.get(URL + "/containers", headers=space["headers"]).status_code == 200)
    check("Authentication: without the header 401",
          requests.get(URL + "/containers").status_code == 401)


def create_container(space):
    with printed() as text:
        exec(block("python/create_container.py"), space)
    cuid = space["cuid"]
    check("create_container returns a cuid", cuid and cuid.startswith("c") and len(cuid) == 37, cuid)
    check("create_container prints it", text.getvalue() == f"Created container: {cuid}\n", text.getvalue())
    shown = must(200, "GET", f"/containers/{cuid}")
    check("the container has the tags and environment asked for",
          shown["tags"] == ["web", "production"] and shown["env"]["DEBUG"] == "false", shown)
    return cuid


def free(port, kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def update_ports(space, cuid):
    exec(block("python/update_ports.py"), space)
    if not (free(3000, socket.SOCK_STREAM) and free(9000, socket.SOCK_DGRAM)):
        print("not checked: update_ports, since this host's port 3000/tcp or 9000/udp is taken")
        return
    done = space["update_ports"](URL, cuid, HEADERS)
    ports = must(200, "GET", f"/containers/{cuid}")["ports"]
    check("update_ports returns True", done is True, ports)
    check("the container has the new ports", [(p["host"], p["container"], p["protocol"]) for p in ports]
          == [(3000, 3000, "tcp"), (9000, 9000, "udp")], ports)


def upload_files(space, cuid):
    exec(block("python/upload_files.py"), space)
    done = space["upload_files_to_container"](URL, cuid, space["files"], HEADERS)
    check("upload_files_to_container returns True", done is True, done)
    for name, content in space["files"].items():
        answer = requests.get(f"{URL}/containers/{cuid}/download", params={"path": name}, headers=HEADERS)
        check(f"{name} comes back byte for byte", answer.content == content, answer.content)
    # The ports of the examples may be taken on this host, and are not needed to see the program run.
    must(200, "PATCH", f"/containers/{cuid}/ports", {"ports": []})
    must(200, "POST", f"/containers/{cuid}/start")
    with printed() as text:
        listen(cuid, lambda: "Working..." in text.getvalue(), 15)
    check("the uploaded boot.py runs and sees CONTAINER_UID and TAGS",
          f"Container {cuid} started\nTags: web,production\nWorking...\n" in text.getvalue(), text.getvalue())
    must(200, "POST", f"/containers/{cuid}/stop?timeout=1")


def listen(cuid, enough, seconds):
    """Prints what the terminal's socket shows to a client that only listens."""
    async def run():
        async with websockets.connect(f"ws://{HOST}/ws/{cuid}", extra_headers=HEADERS) as ws:
            async for message in ws:
                frame = json.loads(message)
                if frame["type"] == "stdout":
                    print(frame["data"], end="")
                if enough():
                    return
    with contextlib.suppress(asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(run(), seconds))


def terminal_class(space, cuid):
    """ContainerTerminal, used as a program uses it."""
    source = (HERE / "python/container_terminal.py").read_text().split("# Usage\n")[0]
    exec(compile(source, "python/container_terminal.py", "exec"), space)

    async def run(text):
        async def shows(what, wanted):
            end = time.monotonic() + 15
            while wanted not in text.getvalue().replace("\r", "") and time.monotonic() < end:
                await asyncio.sleep(0.05)
            check(what, wanted in text.getvalue().replace("\r", ""), text.getvalue())

        terminal = space["ContainerTerminal"](HOST, cuid, USER, PASS)
        await terminal.connect()
        await terminal.send_input("stty size\n")
        await shows("ContainerTerminal: connect gives a terminal of 80 by 24", "\n24 80\n")
        await terminal.resize(100, 30)
        await asyncio.sleep(0.5)
        await terminal.send_input("stty size\n")
        await shows("ContainerTerminal: resize", "\n30 100\n")
        await terminal.send_input("sleep 1000\n")
        await asyncio.sleep(1)
        await terminal.send_signal("INT")
        await terminal.send_input("echo interrupted=$?\n")
        await shows("ContainerTerminal: send_signal INT ends what runs", "\ninterrupted=130\n")
        await terminal.send_input("echo gr\u00fc\u00dfe-$((20+22))\n")
        await shows("ContainerTerminal: UTF-8 both ways", "\ngr\u00fc\u00dfe-42\n")
        await terminal.send_input("exit 7\n")
        await shows("ContainerTerminal: the shell's exit code", "[Process exited with code 7]")
        end = time.monotonic() + 5
        while not terminal.ws.closed and time.monotonic() < end:
            await asyncio.sleep(0.05)
        check("ContainerTerminal: the socket closes", terminal.ws.closed)

    with printed() as text:
        asyncio.run(run(text))


def terminal_program(cuid):
    """The whole block as the program it is, its lines typed into it."""
    source = (HERE / "python/container_terminal.py").read_text()
    for old, new in {"'localhost:8080'": repr(HOST), "'admin'": repr(USER), "'password'": repr(PASS),
                     "'c123e4567-e89b-12d3-a456-426614174000'": repr(cuid)}.items():
        assert old in source, old
        source = source.replace(old, new)
    with tempfile.TemporaryDirectory() as folder:
        program, output = pathlib.Path(folder, "terminal.py"), pathlib.Path(folder, "output")
        program.write_text(source)
        with output.open("wb") as sink:
            child = subprocess.Popen([sys.executable, "-u", "-W", "ignore", program],
                                     stdin=subprocess.PIPE, stdout=sink, stderr=subprocess.STDOUT)
        try:
            def shows(wanted):
                return lambda: wanted in output.read_text(errors="replace").replace("\r", "")

            def typed(line):
                child.stdin.write(line.encode() + b"\n")
                child.stdin.flush()

            until("run_interactive greets", shows("Connected to container. Type 'exit' to quit.\n"))
            typed("echo seen-$((6*7))")
            until("run_interactive shows the output of a line", shows("\nseen-42\n"))
            typed("sleep 1000")
            time.sleep(1)
            typed("!INT")
            typed("echo after-$?")
            until("run_interactive: !INT", shows("\nafter-130\n"))
            typed("exit")
            check("run_interactive ends at 'exit' without an error", child.wait(15) == 0, output.read_text())
        finally:
            child.kill()
            child.wait()


def safe_api_call(space, cuid):
    exec(block("python/safe_api_call.py"), space)
    status = space["get_container_status"](URL, cuid, HEADERS)
    check("get_container_status answers the container's status", status and status["status"] == "running", status)
    with printed() as text:
        answer = space["get_container_status"](URL, "c00000000-0000-4000-8000-000000000000", HEADERS)
    check("safe_api_call: an unknown container is an error with a message and an id",
          answer is None and text.getvalue().startswith("API Error: ") and "(ID: " in text.getvalue(),
          text.getvalue())


def api_client(space):
    exec(block("python/api_client.py"), space)
    check("APIClient: create_container answers 201", space["response"].status_code == 201, space["response"].text)


def async_api_client(space):
    with printed() as text:
        exec(block("python/async_api_client.py"), space)
    check("AsyncAPIClient prints what it created", text.getvalue() == "Created 3 containers\n", text.getvalue())

    async def again():
        async with space["AsyncAPIClient"](URL, USER, PASS) as client:
            return await client.batch_create([{"image": "nginx:alpine"}, {"image": "redis:alpine"}])

    answers = asyncio.run(again())
    check("AsyncAPIClient: batch_create returns containers",
          [a.get("image") for a in answers] == ["nginx:alpine", "redis:alpine"], answers)


def health_monitor(space):
    exec(block("python/health_monitor.py"), space)
    with printed() as text:
        monitor = space["HealthMonitor"](URL, HEADERS, check_interval=1)
        monitor.start()
        time.sleep(1.5)
        monitor.stop()
    lines = text.getvalue().splitlines()
    check("HealthMonitor prints the Compose version",
          lines and all(line.startswith("API healthy: Compose ") and line[-1].isalnum() for line in lines), lines)


def stream_logs(space, cuid):
    seen = []
    space["process_log_line"] = seen.append
    exec(block("python/stream_logs.py"), space)
    with contextlib.suppress(asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(space["stream_logs"](URL, cuid, AUTH), 4))
    check("stream_logs hands over the lines of /app/logs/app.log",
          "first line\nsecond line\n" in "".join(seen), seen)


def analyze_logs(space):
    folder = os.environ.get("WHARFINGER_DATA_DIR")
    if not folder:
        print("not checked: analyze_logs, since WHARFINGER_DATA_DIR is not set")
        return
    requests.get(URL + "/containers", headers={"X-Request-Id": "guide-analyze-logs"})
    exec(block("python/analyze_logs.py"), space)
    back = os.getcwd()
    os.chdir(folder)
    try:
        with printed() as text:
            errors, slow = space["analyze_logs"]()
    finally:
        os.chdir(back)
    check("analyze_logs prints its counts", text.getvalue()
          == f"Found {len(errors)} errors\nFound {len(slow)} slow requests\n", text.getvalue())
    check("analyze_logs finds failed logins as auth_error",
          any(e["error"] == "auth_error" and e["request_id"] == "guide-analyze-logs" for e in errors))


def complete_example(space):
    with printed() as text:
        exec(block("python/complete_example.py"), space)
    said = text.getvalue().replace("\r", "")
    cuid = next((line.split(": ")[1] for line in said.splitlines() if line.startswith("Created container: ")), "")
    check("complete example: its own lines in order", in_order(said, [
        f"Created container: {cuid}\n", "Code uploaded successfully\n", "Container started\n",
        "Connected to container output:\n", "\nContainer stopped\n", "Container deleted\n"]), said)
    check("complete example: the program's output, from its first line to its last", in_order(
        said.replace("[OUT] ", ""),
        [f"Hello from container {cuid}\n", "Environment: production\n",
         *[f"Iteration {n}\n" for n in range(1, 6)], "Done!\n"]), said)
    check("complete example: as [OUT], nothing as [ERR]", "[OUT] Hello" in said and "[ERR]" not in said, said)
    check("complete example: the container is gone", call("GET", f"/containers/{cuid}")[0] == 404)


def in_order(text, parts):
    at = 0
    for part in parts:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def main():
    before = all_cuids()
    # The reader of the guide pastes block after block into one program.
    space = {"__name__": "guide", "requests": requests, "time": time, "json": json, "asyncio": asyncio,
             "websockets": websockets}
    try:
        basic_auth(space)
        cuid = create_container(space)
        update_ports(space, cuid)
        upload_files(space, cuid)
        delete(cuid)
        runs = running_container({"logs/app.log": "first line\nsecond line\n"})
        terminal_class(space, runs)
        terminal_program(runs)
        safe_api_call(space, runs)
        stream_logs(space, runs)
        delete(runs)
        api_client(space)
        async_api_client(space)
        health_monitor(space)
        complete_example(space)
        analyze_logs(space)
    finally:
        for cuid in all_cuids() - before:
            delete(cuid)
    print(f"python: {support.checked} checks hold")


if __name__ == "__main__":
    main()

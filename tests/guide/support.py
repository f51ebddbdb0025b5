"""What the guide's drivers share: where the daemon is, plain calls to it, and the printed blocks."""

import base64
import io
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
URL = os.environ["WHARFINGER_URL"].rstrip("/")
USER = os.environ["WHARFINGER_USER"]
PASS = os.environ["WHARFINGER_PASS"]
HOST = URL.removeprefix("http://")
AUTH = base64.b64encode(f"{USER}:{PASS}".encode()).decode()
HEADERS = {"Authorization": f"Basic {AUTH}"}
PYTHON_IMAGE = "python:3.12-slim"


def call(method, path, body=None, content_type="application/json"):
    """Status and body of one call; the body as JSON where it is JSON."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = dict(HEADERS)
    if body is not None:
        headers["Content-Type"] = content_type
    request = urllib.request.Request(URL + path, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            status, data, kind = answer.status, answer.read(), answer.headers.get("Content-Type", "")
    except urllib.error.HTTPError as refusal:
        status, data, kind = refusal.code, refusal.read(), refusal.headers.get("Content-Type", "")
    return status, json.loads(data) if kind.startswith("application/json") else data


def must(expected, method, path, body=None, content_type="application/json"):
    """The body of a call that has to answer `expected`."""
    status, answer = call(method, path, body, content_type)
    if status != expected:
        raise AssertionError(f"{method} {path}: expected {expected}, got {status}: {answer}")
    return answer


def zip_of(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def running_container(files=None, **fields):
    """The cuid of a container that runs a Python program which does nothing, for as long as it is let."""
    files = {"boot.py": "import time\nprint('ready')\nwhile True:\n    time.sleep(1)\n", **(files or {})}
    cuid = must(201, "POST", "/containers", {"image": PYTHON_IMAGE, **fields})["cuid"]
    must(200, "POST", f"/containers/{cuid}/upload-zip", zip_of(files), "application/zip")
    must(200, "POST", f"/containers/{cuid}/start")
    return cuid


def delete(cuid):
    call("DELETE", f"/containers/{cuid}?force=true")


def all_cuids():
    """Every container of the daemon, page after page."""
    found, cursor = set(), None
    while True:
        query = "?status=all&limit=500" + (f"&cursor={urllib.parse.quote(cursor)}" if cursor else "")
        page = must(200, "GET", "/containers" + query)
        found |= {container["cuid"] for container in page["containers"]}
        cursor = page["next_cursor"]
        if not cursor:
            return found


def block(name, **replacements):
    """A block of the guide as printed, with its hard-coded address and login replaced, nothing else."""
    source = (HERE / name).read_text()
    for old, new in replacements.pop("also", {}).items():
        assert old in source, f"{name} no longer holds {old}"
        source = source.replace(old, new)
    for old, new in {
        "'http://localhost:8080'": repr(URL),
        '"http://localhost:8080"': repr(URL),
        "'localhost:8080'": repr(HOST),
        'b"admin:password"': repr(f"{USER}:{PASS}".encode()),
        "'admin'": repr(USER),
        "'password'": repr(PASS),
    }.items():
        source = source.replace(old, new)
    return compile(source, name, "exec")


checked = 0


def check(what, holds, seen=None):
    """One line for each thing that was checked; ends the driver at the first that does not hold."""
    global checked
    checked += 1
    print(f"{'ok' if holds else 'FAILED'}: {what}", file=sys.__stdout__, flush=True)
    if not holds:
        raise AssertionError(f"{what}; seen: {seen!r}")


def until(what, holds, seconds=20):
    """Waits until `holds()` is true, and checks it."""
    end = time.monotonic() + seconds
    value = holds()
    while not value and time.monotonic() < end:
        time.sleep(0.1)
        value = holds()
    check(what, bool(value), value)

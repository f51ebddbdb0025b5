"""What script/schemathesis tells the tool beside tests/schemathesis.toml: addresses, images, and refusals
that JSON Schema has no words for, each with its reason.
"""

import io
import itertools
import json
import re
import subprocess
import zipfile
import zlib
from urllib.parse import parse_qs, urlsplit

import requests
import schemathesis

import schemathesis_images as images

# Checks of authentication send a wrong login to every operation, and after ten of them in a minute the
# daemon answers 429 to that address, as it should. It is told to believe `X-Forwarded-For` from here.
_send = requests.Session.send
_count = itertools.count(1)


def send(self, request, **kwargs):
    n = next(_count)
    request.headers.setdefault("X-Forwarded-For", f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}")
    return _send(self, request, **kwargs)


requests.Session.send = send

# What is made up exists nowhere, and nothing behind the look-up would be tried. So most image references
# become one that is here, and half of all ids, paths and archives ones that lead somewhere. What is
# malformed stays as it is: it has to be refused.
IMAGE = "wharfinger-test/busybox:1"
FILE = "greeting.txt"
NETWORK = "wharfinger-schemathesis-shared"
_made = []
_pruned = set()


def _zip():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr(FILE, "hello\n")
    return archive.getvalue()


ZIP = _zip()


def _is_picked(value, one_in):
    """The same for the same value, so that a failure can be asked for again."""
    return zlib.crc32(repr(value).encode()) % one_in == 0


def _role(name):
    """A role that is there, where a name could be one."""
    is_name = isinstance(name, str) and re.fullmatch("[a-z][a-z0-9_-]{0,63}", name)
    return ("read", "write", "admin")[len(name) % 3] if is_name else name


@schemathesis.hook
def before_call(context, case, kwargs):
    body, path = case.body, case.path
    query = case.query or {}
    if path.startswith(("/images", "/registries")):
        return images.lead(case)
    if isinstance(body, dict) and isinstance(body.get("image"), str):
        schemas = case.operation.schema.raw_schema["components"]["schemas"]
        name = "Commit" if path.endswith("/commit") else "CreateContainer"
        pattern = schemas[name]["properties"]["image"]["pattern"]
        if not re.fullmatch(pattern.removesuffix("$"), body["image"]):
            pass
        elif name == "Commit":
            # It is made, and must not take the name of an image that someone uses.
            case.body = {**body, "image": f"wharfinger-schemathesis/{zlib.crc32(body['image'].encode())}:1"}
        elif not _is_picked(body["image"], 8):
            case.body = {**body, "image": IMAGE}
    if isinstance(case.body, dict) and isinstance(case.body.get("network"), str):
        network = case.body["network"]
        if re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,63}", network) and network not in ("default", "none", "host", "bridge"):
            # Each network takes one of the engine's few address ranges: all that are made up are one.
            case.body = {**case.body, "network": NETWORK}
    if path == "/tokens" and isinstance(body, dict) and isinstance(body.get("roles"), list):
        # Which roles there are stands in no schema. Its tokens may do anything: nobody logs in with them.
        case.body = {**body, "roles": [_role(role) for role in body["roles"]]}
    if path == "/ws-tickets" and isinstance(body, dict) and isinstance(body.get("id"), str) and _made:
        if _is_picked(body["id"], 2):
            case.body = {**body, "id": _made[-1]}
    if path.endswith("/upload-zip"):
        if isinstance(body, bytes) and _is_picked(body, 2):
            case.body = ZIP
        elif isinstance(body, dict) and set(body) == {"file"} and isinstance(body["file"], bytes):
            case.body = {"file": ZIP}
    if path.endswith("/wait") and str(query.get("timeout", "9")).isdigit():
        # What runs here runs for ever.
        case.query = {**query, "timeout": 1}
    if path.endswith("/exec") and isinstance(body, dict) and body.get("timeout", 60) in range(3, 86_401):
        # A line that is made up may wait for what never comes.
        case.body = {**body, "timeout": 2}
    if path.endswith("/download") and query.get("path") and isinstance(query["path"], str):
        if ".." not in query["path"] and query["path"].isprintable() and _is_picked(query["path"], 2):
            case.query = {**query, "path": FILE}
    if path.endswith("/files") and isinstance(query.get("path"), str) and _is_picked(query["path"], 2):
        # One file is put, removed, and put again; the root is listed.
        if ".." not in query["path"] and query["path"].isprintable() and query["path"]:
            case.query = {**query, "path": FILE if case.method != "GET" else "."}
    if path.endswith("/files/move") and isinstance(body, dict) and isinstance(body.get("from"), str):
        if ".." not in body["from"] and body["from"].isprintable() and body["from"] and _is_picked(body["from"], 2):
            case.body = {**body, "from": FILE}
    # These end only when their reader goes; nothing else of them is left out.
    if path.endswith(("/logs", "/stats")):
        endless = {"follow": "false", "stream": "false"} if path.endswith("/stats") else {"follow": "false"}
        case.query = {k: endless.get(k, v) if v in ("true", "1", True, 1) else v for k, v in query.items()}
    if path == "/events" and case.method == "GET":
        case.query = {**query, "until": query.get("until", "0s")}
        if re.match("[2-9][0-9]{3}-", str(case.query["until"])) or re.fullmatch(r"[2-9][0-9]{9}(\.[0-9]+)?", str(case.query["until"])):
            case.query["until"] = "0s"
    # A deleted one may be what another scenario is busy with; a file of it may go.
    given = (case.path_parameters or {}).get("id")
    may_change = case.method != "DELETE" or path.endswith("/files")
    if isinstance(given, str) and given not in _made and _made and may_change and _is_picked(given, 2):
        case.path_parameters = {**case.path_parameters, "id": _made[-1]}


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code == 201 and case.path == "/containers":
        _made.append(_json(response)["cuid"])
    if response.status_code == 200 and case.path == "/containers/prune":
        _pruned.update(_json(response)["deleted"])
    if response.status_code == 201 and case.path.endswith("/commit"):
        subprocess.run(["docker", "rmi", "--force", _json(response)["image"]], check=True, capture_output=True)
    images.clean_up(case, response, _json(response))


def _json(response):
    try:
        value = json.loads(response.content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _parts(path):
    return [part for part in path.split("/") if part not in ("", ".")]


def _is_elsewhere(case):
    """Whether a path of the request may well be refused for what it is: see PATH_NOT_ALLOWED."""
    body = case.body if isinstance(case.body, dict) else {}
    given = [(case.query or {}).get("path"), *(body.get(name) for name in ("path", "from", "to"))]
    paths = [path for path in given if isinstance(path, str)]
    if any(path.startswith("/") or any(len(part.encode()) > 255 for part in _parts(path)) for path in paths):
        return True
    if "/files" in case.path and not all(_parts(path) for path in paths):
        return True
    if case.path.endswith("/files/move"):
        source, target = _parts(body["from"]), _parts(body["to"])
        return target[: len(source)] == source
    return False


def _images(case):
    """What a request names images by: in its path, its query or its body."""
    parts = [case.path_parameters, case.query, case.body]
    named = [part.get(name) for part in parts if isinstance(part, dict) for name in ("ref", "image", "tag")]
    return [image for image in named if isinstance(image, str)]


# Well-formed by the schema, and still a 400:
REFUSALS = {
    # Without tag and digest a reference has at most 255 characters, and a schema counts all of them.
    "INVALID_IMAGE": lambda case: any(len(image) > 255 for image in _images(case)),
    # An empty list of arguments is sent as one empty argument. Which options ps takes, and which of them leave
    # it a column PID, is known to the ps of the engine's host.
    "INVALID_QUERY": lambda case: (
        case.path.endswith("/top") or case.path.startswith("/ws/") and not (case.query.get("cmd") or [""])[0]
    ),
    # Users and folders are the container's, and instructions of a Dockerfile have a grammar of their own.
    "INVALID_VALUE": lambda case: case.path.endswith(("/exec", "/commit", "/images/import")),
    # A cursor is opaque: it is well-formed when it was given out.
    "INVALID_CURSOR": lambda case: True,
    # Two mappings clash by what their defaults are, and by an address that covers the other.
    "DUPLICATE_PORT": lambda case: True,
    # Limits are judged together, in a PATCH with those that are there, and of a range of processors the lower
    # one stands first: a schema compares no numbers.
    "INVALID_RESOURCES": lambda case: bool(
        set(case.body["resources"])
        & {"cpus", "cpu_period", "cpu_quota", "cpuset_cpus", "memory", "memory_swap", "memory_reservation"}
    ),
    # Bytes that are made up are no zip, and a form that is made up has no whole field.
    "ARCHIVE_NOT_A_ZIP": lambda case: case.path.endswith(("/upload-zip", "/images/build")),
    "ARCHIVE_TRUNCATED": lambda case: case.path.endswith(("/upload-zip", "/images/build")),
    "ARCHIVE_NOT_A_TAR": lambda case: case.path.endswith("/images/build"),
    "IMAGE_ARCHIVE_INVALID": lambda case: case.path.endswith(("/images/load", "/images/import")),
    # A token is good for something: a schema that wanted one of two lists not to be empty would be read by nobody.
    "MISSING_FIELD": lambda case: (
        case.path == "/tokens" and not (case.body.get("roles") or case.body.get("permissions"))
    ),
    # Which stages and which Dockerfile a context has is known to it alone.
    "DOCKERFILE_NOT_FOUND": lambda case: True,
    "BUILD_FAILED": lambda case: bool(case.query.get("target")),
    # What a path leads to is known to the mount alone.
    "IS_DIRECTORY": lambda case: case.path.endswith("/download") or (case.method == "PUT" and case.path.endswith("/files")),
    "NOT_A_DIRECTORY": lambda case: True,
    "NO_MOUNT": lambda case: True,
    # An absolute path has to begin with where this container has its mount; a part has at most 255 bytes,
    # and a schema counts characters; the mount's root (`.`, say) is neither moved nor removed; and nothing
    # is moved into itself.
    "PATH_NOT_ALLOWED": _is_elsewhere,
    # A plain GET, which is all that there is here, opens no socket.
    "INVALID_HEADER": lambda case: case.path.startswith("/ws/"),
    # Names of a form's fields are made up as well, and not all of them can stand in a header.
    "INCOMPLETE_BODY": lambda case: case.path.endswith(("/upload-zip", "/images/build")),
}


# What is well-formed each by itself, and cannot be together: ports without a network, two mounts on one place, a
# name beside the host's own, a setting of a name space that is the host's, a soft limit above the hard one, two
# sizes of one /dev/shm. A schema cannot compare two values.
ONLY_TOGETHER = re.compile(
    "leaves nothing to map ports to|is the place of another mount|cannot be set beside|soft limit above the hard"
    "|is also in resources, with another value|cannot be limited where the token has|is the administrator's"
)


# What stops a container that runs, or makes it anew.
STOPS = re.compile(r"^(PATCH|DELETE|POST) /containers/\{id\}(/(stop|restart|recreate|rename|ports))?$")


def _is_beyond_schema(case, broken):
    """Whether no schema could have told that this rule is broken."""
    code, message = broken["code"], broken["message"]
    if code in ("OPTION_NOT_ALLOWED", "NOT_SUPPORTED"):
        # What the administrator allows and what the host has stand in no schema.
        return True
    if code == "INVALID_PORT":
        # Which addresses this host has is known when the port is opened.
        return "no address of this host" in message
    if code == "INVALID_VALUE" and ONLY_TOGETHER.search(message):
        return True
    return code in REFUSALS and REFUSALS[code](case)


def _is_object(body):
    try:
        return isinstance(json.loads(body), dict)
    except (TypeError, ValueError):
        return False


def _is_lost_on_its_way(case, failure, response):
    """Whether all that was wrong was never sent: an empty list leaves nothing of a parameter too many, and a
    scenario puts what it remembers in the place of a body of random bytes."""
    # The tool sends the login of its command line also where it has taken the header away.
    wrong = failure.message.replace("header: violates `required` (was Authorization)", "")
    sent = parse_qs(urlsplit(response.request.url).query, keep_blank_values=True)
    known = {parameter.name for parameter in case.operation.query}
    if "Invalid syntax: random bytes" in wrong:
        return "violates" not in wrong and _is_object(response.request.body)
    is_one_too_many = re.findall(r"violates `(\w+)`", wrong) == ["additionalProperties"]
    return is_one_too_many and "query" in wrong and set(sent) <= known


@schemathesis.hook
def filter_failure(context, failure, case, response):
    error = _json(response)
    kind = type(failure).__name__
    code = error.get("code")
    if len(response.request.url) > 60_000 and not response.content:
        # What has no room in the head of a request is refused before it is one.
        return False
    if kind == "EnsureResourceAvailability":
        # What was made is the container, and a prune may have taken it. A path of a file that is not there, an
        # address, or a program is another 404.
        given = (case.path_parameters or {}).get("id")
        return code == "CONTAINER_NOT_FOUND" and given not in _pruned
    if kind == "RejectedPositiveData" and response.status_code == 400:
        violations = error.get("details", {}).get("violations") or [error]
        return not all(_is_beyond_schema(case, broken) for broken in violations)
    if kind in ("ServerError", "RejectedPositiveData") and code == "NOT_SUPPORTED":
        # What the host or its engine cannot do is no fault of the daemon: a kernel without SCTP, say.
        return False
    if kind in ("ServerError", "RejectedPositiveData") and code == "REGISTRY_UNREACHABLE":
        # Names of images and search terms are of registries that this host may not reach.
        return case.path.startswith("/registries")
    if kind in ("ServerError", "RejectedPositiveData") and code == "COMPOSE_FAILED":
        # The guide's `compose_error` is a 500: the container cannot be started with the program, user, group,
        # folder or address that was made up for it.
        output = json.dumps(error.get("details", {}))
        return not re.search("OCI runtime create failed|[Uu]nable to find (user|group)", output)
    if kind == "ResponseTimeExceeded" and case.path == "/containers/prune":
        # It deletes all that was left by everything before, however much that is.
        return response.elapsed > 10 + 2 * len(_json(response).get("deleted", []))
    if kind == "ResponseTimeExceeded" and STOPS.search(f"{case.method.upper()} {case.path}"):
        # What stops a container gives it 10 s to end by itself, and then kills it.
        return response.elapsed > 10 + 20
    if kind == "AcceptedNegativeData" and "(was array, became string)" in failure.message:
        # One value of a parameter that may be repeated looks as a single text does.
        return False
    if kind == "AcceptedNegativeData" and _is_lost_on_its_way(case, failure, response):
        return False
    return True

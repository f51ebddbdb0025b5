"""What the operations on images and registries are led to, so that what is made up reaches the code behind the
look-up, and no image of anyone else's is touched.

script/schemathesis starts a registry of its own and says where in SCHEMATHESIS_REGISTRY; all that is pulled, pushed
and signed in to is there, and everything that is made has a name in `wharfinger-schemathesis/`.
"""

import io
import os
import re
import subprocess
import tarfile
import zipfile
import zlib
from urllib.parse import unquote

REGISTRY = os.environ.get("SCHEMATHESIS_REGISTRY", "127.0.0.1:1")
# The one image that is in the registry, and in the engine under the same name.
PUBLISHED = f"{REGISTRY}/wharfinger-schemathesis/published:1"
HERE = "wharfinger-test/busybox:1"
MINE = "wharfinger-schemathesis/"
# A label that no image has: a prune with it takes none.
NONE = "wharfinger.schemathesis=none"


def _picked(value, one_in):
    return zlib.crc32(repr(value).encode()) % one_in == 0


def _own(name):
    return f"{MINE}{zlib.crc32(name.encode())}:1"


def _dockerfile():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
    return archive.getvalue()


def _root():
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as writer:
        entry = tarfile.TarInfo("file")
        entry.size = 6
        writer.addfile(entry, io.BytesIO(b"hello\n"))
    return archive.getvalue()


def _saved():
    """An archive as `docker save` writes it."""
    made = subprocess.run(["docker", "save", HERE], capture_output=True, check=False)
    return made.stdout


CONTEXT, ROOT, SAVED = _dockerfile(), _root(), _saved()


def _schema_of(case, name):
    for parameter in case.operation.query:
        if parameter.name == name:
            return parameter.definition["schema"]
    return {}


def _fits(value, pattern):
    return isinstance(value, str) and re.search(pattern, value) is not None


def lead(case):
    """Leads one call; what is malformed stays as it is."""
    path, body = case.path, case.body
    schemas = case.operation.schema.raw_schema["components"]["schemas"]
    parameters = case.path_parameters or {}
    if path.startswith("/registries/"):
        if _fits(unquote(str(parameters.get("host"))), r"\A[a-zA-Z0-9.-]+(:[0-9]+)?\Z"):
            case.path_parameters = {**parameters, "host": REGISTRY}
    elif path in ("/images/pull", "/images/push"):
        pattern = schemas["CreateContainer"]["properties"]["image"]["pattern"]
        if isinstance(body, dict) and _fits(body.get("image"), pattern):
            elsewhere = f"{REGISTRY}/{MINE}none:1"
            case.body = {**body, "image": elsewhere if _picked(body["image"], 4) else PUBLISHED}
    elif path == "/images/prune":
        _lead_prune(case)
    elif path in ("/images/build", "/images/import", "/images/load"):
        _lead_archive(case, {"build": CONTEXT, "import": ROOT, "load": SAVED}[path.removeprefix("/images/")])
    elif "{ref}" in path:
        _lead_reference(case)


def _lead_prune(case):
    """Nothing of this host is pruned, whatever else is asked."""
    for name in ("query", "body"):
        asked = getattr(case, name)
        if name == "body" and not isinstance(asked, dict):
            continue
        asked = dict(asked or {})
        if str(asked.get("all")).lower() in ("true", "1"):
            asked["all"] = False if name == "body" else "false"
        label = asked.get("label")
        is_plain = label is None or isinstance(label, (list, str)) and all(isinstance(one, str) and one for one in label)
        if name == "query" and is_plain and "\x00" not in repr(label) and not isinstance(case.body, dict):
            asked["label"] = [NONE]
        setattr(case, name, asked)


def _lead_archive(case, archive):
    if isinstance(case.body, bytes) and not _picked(case.body, 4):
        case.body = archive
    elif isinstance(case.body, dict) and set(case.body) == {"file"} and isinstance(case.body["file"], bytes):
        case.body = {"file": archive}
    query = case.query or {}
    pattern = _schema_of(case, "image").get("pattern")
    if pattern and _fits(query.get("image"), pattern):
        case.query = {**query, "image": _own(query["image"])}


def _lead_reference(case):
    """What is removed is never here; what is only looked at mostly is."""
    given = case.path_parameters.get("ref")
    if not isinstance(given, str) or "\x00" in unquote(given):
        return
    given = unquote(given)
    if case.method == "DELETE":
        # The beginning of an id would name an image of someone else's.
        if re.fullmatch(r"(sha256:)?[0-9a-f]*", given):
            case.path_parameters = {**case.path_parameters, "ref": f"{MINE}none:1"}
        return
    if _picked(given, 2) and re.fullmatch(r"[a-z0-9./:_-]+", given):
        case.path_parameters = {**case.path_parameters, "ref": HERE}
    if case.path.endswith("/tag") and isinstance(case.body, dict) and isinstance(case.body.get("tag"), str):
        pattern = case.operation.schema.raw_schema["components"]["schemas"]["TagImage"]["properties"]["tag"]["pattern"]
        if _fits(case.body["tag"], pattern):
            case.body = {**case.body, "tag": _own(case.body["tag"])}


def clean_up(case, response, answer):
    """Takes away what a call has made."""
    if response.status_code not in (200, 201) or case.path not in ("/images/build", "/images/import", "/images/{ref}/tag"):
        return
    image = answer.get("image") or _own_in(response.text)
    if image and image.startswith(MINE):
        subprocess.run(["docker", "rmi", "--force", image], check=False, capture_output=True)


def _own_in(text):
    """The image in the last record of a stream."""
    found = re.findall(rf'"image":"({re.escape(MINE)}[0-9]+:1)"', text)
    return found[-1] if found else None

"""A terminal over TLS with the `websockets` package: `WHARFINGER_URL`, `_USER`, `_PASS`, `_CA`, `_CUID`."""

import asyncio
import base64
import json
import os
import ssl

import websockets

LOGIN = base64.b64encode(f"{os.environ['WHARFINGER_USER']}:{os.environ['WHARFINGER_PASS']}".encode()).decode()
ADDRESS = f"{os.environ['WHARFINGER_URL'].replace('https://', 'wss://')}/ws/{os.environ['WHARFINGER_CUID']}"


async def main():
    trust = ssl.create_default_context(cafile=os.environ["WHARFINGER_CA"])
    headers = {"Authorization": f"Basic {LOGIN}"}
    async with websockets.connect(ADDRESS, ssl=trust, extra_headers=headers) as socket:
        ready = json.loads(await socket.recv())
        assert ready["type"] == "ready", ready
        await socket.send(json.dumps({"type": "stdin", "data": "echo from-$((40+2)); exit 5\n"}))
        frames = [json.loads(frame) async for frame in socket]
    out = "".join(frame["data"] for frame in frames if frame["type"] == "stdout")
    version = socket.transport.get_extra_info("ssl_object")
    assert out == "from-42\n", frames
    assert frames[-1] == {"type": "exit", "code": 5}, frames[-1]
    print(f"python websockets {websockets.__version__} works{'' if version is None else ' over ' + str(version.version())}")


asyncio.run(main())

"""Makes or deletes the running container that the Node, Go and Ruby drivers use."""

import sys

from support import delete, running_container

match sys.argv[1:]:
    case ["create"]:
        print(running_container(
            {"data/config.json": '{"setting": "value"}', "data/bytes.bin": bytes(range(256)) * 300},
            env={"OLD_VAR": "old", "KEPT": "kept"}, tags=["guide"]))
    case ["delete", cuid]:
        delete(cuid)
    case _:
        sys.exit("usage: container.py create | delete <cuid>")

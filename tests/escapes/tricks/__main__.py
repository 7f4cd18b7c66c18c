"""`python -m tricks JSON`: one trick; what it found as the last line."""

import json
import sys

from tricks import TRICKS

asked = json.loads(sys.argv[1])
sys.stdout.write(json.dumps({"type": "started"}) + "\n")
sys.stdout.flush()


def emit(event: object) -> None:
    sys.stdout.write(json.dumps(event) + "\n")


found = TRICKS[asked["trick"]](asked | {"emit": emit})
sys.stdout.write(json.dumps({"type": "found", "found": found}) + "\n")

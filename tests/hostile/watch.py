"""`python -m tests.hostile.watch ADDRESS TOKEN`: asks a portal for an answer and a page until its standard input ends.

Then prints (status, seconds) of each answer, as JSON.
"""

import json
import select
import sys
import time

import httpx

PATHS = ("/api/v1/datasets", "/account/login/")
EVERY_S = 0.2


def main(address: str, token: str) -> None:
    answers = []
    with httpx.Client(base_url=address, headers={"Authorization": f"Token {token}"}, timeout=60) as http:
        while not select.select([sys.stdin], [], [], EVERY_S)[0]:
            for path in PATHS:
                began = time.monotonic()
                answers.append((http.get(path).status_code, time.monotonic() - began))
    sys.stdout.write(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])

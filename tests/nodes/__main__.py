"""`python -m tests.nodes PORT`: a portal without a node of its own, until it is ended."""

import signal
import sys

import django
from django.core.management import call_command

from portal.core.supervisor import Supervisor


def main(port: int) -> None:
    django.setup()
    from portal.site import tree

    call_command("migrate", verbosity=0, interactive=False)
    supervisor = Supervisor(
        [each for each in tree.programs(host="127.0.0.1", port=port) if each.name != "node"]
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.stop())
    supervisor.start()
    try:
        tree.wait_until_serving(host="127.0.0.1", port=port)
        print("State: up", flush=True)  # noqa: T201 - whom we are waited for by
        supervisor.watch()
    finally:
        supervisor.end()


if __name__ == "__main__":
    main(int(sys.argv[1]))

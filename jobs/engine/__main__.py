"""`python -m jobs.engine --task task.json`: run one task from the shell, cold; its events as JSON lines."""

import argparse
import json
import signal
import sys
from pathlib import Path
from types import FrameType

from jobs.engine.events import Event, Wish
from jobs.engine.main import run


def main() -> int:
    """Exit code 0 when the task was done. SIGINT saves a checkpoint and ends, SIGTERM keeps the best so far."""
    parser = argparse.ArgumentParser(prog="python -m jobs.engine", description=__doc__)
    parser.add_argument("--task", type=Path, required=True, help="a JSON file; see jobs.engine.task")
    task = json.loads(parser.parse_args().task.read_text(encoding="utf-8"))
    control, reasons = Wish(), []

    def emit(event: Event) -> None:
        if event["type"] == "done":
            reasons.append(event["reason"])
        sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def ask(number: int, _frame: FrameType | None) -> None:
        control.command = "checkpoint" if number == signal.SIGINT else "stop"

    signal.signal(signal.SIGINT, ask)
    signal.signal(signal.SIGTERM, ask)
    run(task, emit, control)
    return 0 if reasons == ["done"] else 1


if __name__ == "__main__":
    sys.exit(main())

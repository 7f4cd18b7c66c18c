"""A node's worker in small, to be killed: starts a warm parent and a task, says who they are, and waits."""

import json
import sys
import time
from pathlib import Path

from jobs.runner import sandbox
from jobs.runner.limits import Limits
from jobs.runner.warm import WarmParent

HERE = Path(__file__).parent


def main(home: Path, *, confined: bool) -> None:
    report = sandbox.probe() if confined else sandbox.unconfined()
    warm = WarmParent(home, target="tasks:run", preload=["json"], code=[HERE], report=report)
    warm.start()
    running = warm.run({"do": "sleep", "with_child": True}, job_dir=home / "attempts" / "a", limits=Limits())
    for event in running.events:
        if event["type"] == "sleeping":
            break
    sys.stdout.write(json.dumps({"warm": warm.pid, "worker": running.pid}) + "\n")
    sys.stdout.flush()
    time.sleep(60)


if __name__ == "__main__":
    main(Path(sys.argv[1]), confined=sys.argv[2] == "confined")

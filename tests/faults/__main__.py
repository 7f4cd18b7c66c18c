"""`python -m tests.faults`: run them all, two portals at a time. `--write`: docs/faults.md from what was measured."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults import report
from tests.faults.record import VARIABLE

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "faults.md"


def main(arguments: list[str]) -> int:
    write = "--write" in arguments
    with tempfile.TemporaryDirectory() as name:
        outcomes, figures = Path(name) / "outcomes.xml", Path(name) / "figures"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", str(HERE), "-n", "2", "--dist", "loadfile"),
                *(f"--junitxml={outcomes}", *(word for word in arguments if word != "--write")),
            ],
            env=os.environ | {VARIABLE: str(figures)},
        )
        if write:
            DOCUMENT.write_text(report.page(outcomes, figures), encoding="utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

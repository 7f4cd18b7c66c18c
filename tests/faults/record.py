"""What a run measured, line by line in a file, for the table in the documentation."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "FAULTS_RECORD"


@dataclass(frozen=True)
class Record:
    """The measurements of one test; kept only where `FAULTS_RECORD` names a file."""

    test: str

    def __call__(self, what: str, **figures: float | str | None) -> None:
        if name := os.environ.get(VARIABLE):
            line = json.dumps({"test": self.test, "what": what, **figures})
            with Path(name).open("a", encoding="utf-8") as file:
                file.write(line + "\n")

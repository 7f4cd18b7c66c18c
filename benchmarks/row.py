"""One line of the table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A figure, what it is compared with, and whether it is as good as promised (None: not measured here)."""

    what: str
    measured: str
    baseline: str = ""
    ratio: str = ""
    goal: str = ""
    met: bool | None = None

    def markdown(self) -> str:
        verdict = {True: "met", False: "**not met**", None: "skipped"}[self.met]
        return f"| {self.what} | {self.measured} | {self.baseline} | {self.ratio} | {self.goal} | {verdict} |"

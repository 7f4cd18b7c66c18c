"""Every hostile upload through the whole portal: each ends in its sentence, and the portal stays as it was."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import pytest

from tests.e2e.portal import Portal, Scripter
from tests.hostile.test_readers import CASES as ALL

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(1800)]
ANSWERS_WITHIN_S = 1.0
LATE_PART = 0.005
"""Of the answers, so many may be later: other programs share the machine of a test."""
LONGEST_S = 5.0
WARM = ("picture: no picture", "table: a row of thirty million values")
"""What is loaded once, and the buffers of the largest upload, are there before anything is measured."""
WEB_GROWTH_BYTES = 64 * 1024 * 1024
CASES = {name: case for name, case in ALL.items() if not name.endswith("in a tar")}
"""Names in a tar are met by the readers' own tests."""
Version = dict[str, Any]
Record = Callable[[str, object], None]


class Watch:
    """`tests.hostile.watch` in a process of its own, so that making the cases does not slow it down."""

    def __init__(self, member: Scripter) -> None:
        self.command = [sys.executable, "-m", "tests.hostile.watch", member.portal.address, member.token]
        self.answers: list[tuple[int, float]] = []

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        said, _nothing = self.process.communicate(timeout=60)
        self.answers = json.loads(said)


def names(portal: Portal) -> list[str]:
    return sorted(process.name() for process in portal.processes())


def web_bytes(portal: Portal) -> int:
    return int(portal.child("uvicorn").memory_info().rss)


class Outcomes:
    """All cases uploaded and judged, and what the portal was like before, meanwhile and afterwards."""

    def __init__(self, portal: Portal, mallory: Scripter) -> None:
        self.portal, self.mallory = portal, mallory
        self.datasets = {
            task: mallory.post("/datasets", {"name": f"Bad {task}", "task": task})["id"]
            for task in {case.task for case in CASES.values()}
        }
        for name in WARM:
            self._upload(name)
        self.processes, self.web_bytes = names(portal), web_bytes(portal)
        with Watch(mallory) as self.watch, ThreadPoolExecutor(2) as pool:
            self.versions = dict(zip(CASES, pool.map(self._upload, CASES), strict=True))

    def _upload(self, name: str) -> Version:
        case = CASES[name]
        path = f"/datasets/{self.datasets[case.task]}/versions"
        content = case.make()
        answer = self.mallory.http.post(path, files={"file": (case.filename, content)})
        assert answer.status_code == 202, answer.text
        found: Version = self.mallory.wait(
            f"{path}/{answer.json()['number']}", lambda v: v["state"] != "validating", 300
        )
        return found


@pytest.fixture(scope="module")
def outcomes(portal: Portal, mallory: Scripter) -> Outcomes:
    return Outcomes(portal, mallory)


@pytest.mark.parametrize("name", CASES)
def test_each_ends_in_a_sentence(name: str, outcomes: Outcomes) -> None:
    case, version = CASES[name], outcomes.versions[name]
    if case.code:
        assert (version["state"], version["code"]) == ("rejected", case.code), version["reason"]
        assert case.part in version["reason"]
        assert version["reason"].endswith(".")
        return
    assert version["state"] == "ready", version["reason"]
    told = {skip["file"]: skip["reason"] for skip in version["report"]["skipped"]}
    for file, part in case.skips.items():
        assert part in told[file]


def test_the_portal_answered_all_the_while(outcomes: Outcomes, record_property: Record) -> None:
    seconds = sorted(seconds for _status, seconds in outcomes.watch.answers)
    record_property("answers", len(seconds))
    record_property("median_s", round(statistics.median(seconds), 3))
    record_property("longest_s", round(seconds[-1], 3))
    assert {status for status, _seconds in outcomes.watch.answers} == {200}
    late = [f"{taken:.2f}" for taken in seconds if taken > ANSWERS_WITHIN_S]
    assert len(late) <= LATE_PART * len(seconds), late
    assert seconds[-1] < LONGEST_S


def test_nothing_is_left_running_or_lying_about(outcomes: Outcomes) -> None:
    portal = outcomes.portal
    assert names(portal) == outcomes.processes
    for folder in ("work/checks", "uploads", "tmp"):
        place = portal.home / folder
        assert not place.exists() or list(place.rglob("*")) == [], folder


def test_the_web_process_has_not_grown(outcomes: Outcomes, record_property: Record) -> None:
    grown = web_bytes(outcomes.portal) - outcomes.web_bytes
    record_property("grown_mb", round(grown / 2**20, 1))
    assert grown < WEB_GROWTH_BYTES


def test_deleting_frees_all_that_they_brought(outcomes: Outcomes, mallory: Scripter) -> None:
    used = mallory.get("/me")["usage"]["storage_bytes"]
    assert used > 0
    for dataset in outcomes.datasets.values():
        assert mallory.http.delete(f"/datasets/{dataset}").status_code == 204
    assert mallory.get("/me")["usage"]["storage_bytes"] == 0


def test_an_honest_upload_is_taken_afterwards(mallory: Scripter) -> None:
    rows = "".join(f"{n % 7},{n % 3},{'xy'[n % 2]}\n" for n in range(40))
    assert mallory.dataset("Honest", "table-classification", "good.csv", f"a,b,kind\n{rows}".encode())

"""Each hostile upload in front of the readers themselves. Through the whole portal: `test_uploads.py`."""

from pathlib import Path

import pytest

from tests.formats.build import checked
from tests.hostile import archives, parquets, pictures, tables
from tests.hostile.case import Case

CASES: dict[str, Case] = {
    f"{where}: {name}": case
    for where, cases in (
        ("archive", archives.CASES),
        ("picture", pictures.CASES),
        ("table", tables.CASES),
        ("parquet", parquets.CASES),
    )
    for name, case in cases.items()
}


@pytest.mark.filterwarnings("ignore")  # zipfile's and Pillow's
@pytest.mark.parametrize("name", CASES)
def test_a_hostile_upload_ends_in_a_sentence(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    found = checked(tmp_path, case.make(), case.task, name=case.filename)
    if case.code:
        assert (found.code, case.part in found.reason) == (case.code, True), found.result
        return
    told = found.reasons()
    for file, part in case.skips.items():
        assert part in told[file]

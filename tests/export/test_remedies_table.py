"""The table of what brings back what int8 loses: `make bench-bundles ARGS="--remedies --write"` makes it."""

from pathlib import Path

import pytest

from benchmarks.bundles import remedies
from benchmarks.bundles.nets import NETS

pytestmark = pytest.mark.train
DOCS = Path(__file__).resolve().parents[2] / "docs" / "boards.md"


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> remedies.Row:
    (net,) = (each for each in NETS if each.name == "loud")
    return remedies.row(net, tmp_path_factory.mktemp("none"))


def test_each_remedy_is_made_and_judged_by_the_test_split(loud: remedies.Row) -> None:
    assert [each.trouble for each in loud.tried] == [""] * 5
    assert loud.plain.samples == 540
    assert loud.plain.real
    wide = loud.tried[0]
    assert wide.helps
    assert wide.left is not None
    assert wide.left.drop < loud.plain.drop / 4


def test_what_is_really_worse_is_bold(loud: remedies.Row) -> None:
    title, exact, plain, wide, *_others = (cell.strip() for cell in loud.markdown().split("|")[1:-1])
    assert title == loud.net.title
    assert plain == f"**{loud.exact - loud.plain.drop:.3f}**"
    assert float(exact) == pytest.approx(loud.exact, abs=1e-3)
    assert float(wide.strip("*")) > float(plain.strip("*"))


def test_it_goes_between_its_marks_and_nowhere_else(loud: remedies.Row, tmp_path: Path) -> None:
    page = tmp_path / "boards.md"
    page.write_text(f"before\n{remedies.BEGIN}old\n{remedies.END}after\n")
    for _again in range(2):
        remedies.put(page, remedies.table([loud]), 60.0)
    text = page.read_text()
    assert text.startswith(f"before\n{remedies.BEGIN}Measured by ")
    assert text.endswith(f"{loud.markdown()}{remedies.END}after\n")
    assert text.count(loud.net.title) == 1
    page.write_text("no marks\n")
    with pytest.raises(ValueError, match="no place"):
        remedies.put(page, "", 60.0)


def test_the_page_has_the_marks_and_every_net() -> None:
    inside = DOCS.read_text().partition(remedies.BEGIN)[2].partition(remedies.END)[0]
    assert len(inside.split("|---|")[-1].strip().splitlines()) >= len(NETS)

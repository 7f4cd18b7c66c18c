"""The smallest engine, of 8 lanes, on both iCE40 boards: routed, and proved whole."""

from pathlib import Path

import pytest

from hardware.fpga.boards import BOARDS, Board
from hardware.fpga.proof import prove
from tests.fpga.kept import KEPT, alone
from tests.fpga.test_proof import VECTORS, asked, net


@pytest.mark.fpga
@pytest.mark.timeout(600)
@pytest.mark.parametrize("board", [BOARDS["ice40-hx8k"], BOARDS["icebreaker"]], ids=lambda board: board.name)
def test_a_whole_proof(board: Board, tmp_path: Path) -> None:
    content = net()
    x, y = asked(content)
    with alone(board.name):
        proved = prove(
            content, board=board, vectors=x, expected=y, folder=tmp_path, cache=KEPT, netlist_vectors=3
        )
    assert [(stage.name, stage.vectors, stage.mismatches) for stage in proved.stages] == [
        ("reference", VECTORS, 0), ("rtl", VECTORS, 0), ("netlist", 3, 0), ("timing", 0, 0),
    ]  # fmt: skip
    report = proved.built.report
    assert report.met
    assert report.cells < board.cells
    assert report.multipliers <= board.multipliers
    assert proved.engine == board.engine
    assert proved.engine.lanes == 8

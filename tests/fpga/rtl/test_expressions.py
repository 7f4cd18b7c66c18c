"""Tables as expressions: for each of their inputs' values they give what models of the same cells give."""

import random
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hardware.fpga.boards import Family
from hardware.fpga.simulation import expressions, netlist

COUNT = 60  # cells of a kind
KINDS = {
    "LUT4 of an ECP5": (Family.ECP5, "LUT4", "A B C D", "Z", {"INIT": 16}),
    "CCU2C": (
        Family.ECP5, "CCU2C", "A0 B0 C0 D0 A1 B1 C1 D1 CIN", "S0 S1 COUT", {"INIT0": 16, "INIT1": 16},
    ),
    "LUT1": (Family.GOWIN, "LUT1", "I0", "F", {"INIT": 2}),
    "LUT2": (Family.GOWIN, "LUT2", "I0 I1", "F", {"INIT": 4}),
    "LUT3": (Family.GOWIN, "LUT3", "I0 I1 I2", "F", {"INIT": 8}),
    "LUT4 of Gowin": (Family.GOWIN, "LUT4", "I0 I1 I2 I3", "F", {"INIT": 16}),
    "SB_LUT4": (Family.ICE40, "SB_LUT4", "I0 I1 I2 I3", "O", {"LUT_INIT": 16}),
}  # fmt: skip


def drawn(chance: random.Random, bits: int) -> str:
    """A table of any kind: of chance, or of few inputs, so that it can be simplified."""
    if chance.random() < 0.5:
        return f"{chance.getrandbits(bits):0{bits}b}"
    part = chance.choice([each for each in (1, 2, 4, 8) if each <= bits])
    return f"{chance.getrandbits(part):0{part}b}" * (bits // part)


def cells(kind: str) -> list[Mapping[str, Any]]:
    """As yosys writes them."""
    _, name, inputs, outputs, tables = KINDS[kind]
    chance = random.Random(kind)
    directions = dict.fromkeys(inputs.split(), "input") | dict.fromkeys(outputs.split(), "output")
    found = []
    for _number in range(COUNT):
        parameters = {table: drawn(chance, bits) for table, bits in tables.items()}
        if name == "CCU2C":
            parameters |= {f"INJECT1_{half}": chance.choice(["YES", "NO"]) for half in "01"}
        found.append({"type": name, "parameters": parameters, "port_directions": directions})
    return found


def bench(kind: str) -> str:
    """Counts through the inputs' values, and says where an expression and a model differ."""
    _, name, inputs, outputs, _ = KINDS[kind]
    given = {port: f"given[{place}]" for place, port in enumerate(inputs.split())}
    lines = [f"module bench;\nreg [{len(given)}:0] given;"]
    for number, cell in enumerate(cells(kind)):
        lines += [f"wire model_{port}_{number}, ours_{port}_{number};" for port in outputs.split()]
        settings = ", ".join(
            f".{key}({len(value)}'b{value})" if set(value) <= {"0", "1"} else f'.{key}("{value}")'
            for key, value in cell["parameters"].items()
        )
        ports = [f".{port}({wire})" for port, wire in given.items()]
        ports += [f".{port}(model_{port}_{number})" for port in outputs.split()]
        lines.append(f"{name} #({settings}) model_{number} ({', '.join(ports)});")
        lines += expressions.statements(
            number, cell, lambda port, number=number: given.get(port) or f"ours_{port}_{number}"
        )
    lines.append(f"initial for (given = 0; given < {1 << len(given)}; given = given + 1) begin #1;")
    lines += [
        f'if (ours_{port}_{number} !== model_{port}_{number}) $display("{port} of {number} differs at %b", given);'
        for number in range(COUNT)
        for port in outputs.split()
    ]
    return "\n".join([*lines, 'end\ninitial #5000 $display("all seen");\nendmodule\n'])


@pytest.mark.parametrize("kind", KINDS)
def test_an_expression_is_what_its_table_says(kind: str, tmp_path: Path) -> None:
    family, name, *_ = KINDS[kind]
    (tmp_path / "bench.v").write_text(netlist.models(family, {name}) + bench(kind))
    subprocess.run(
        ["iverilog", "-g2012", "-s", "bench", "-o", "bench", "bench.v"], cwd=tmp_path, check=True, timeout=60
    )
    said = subprocess.run(
        ["vvp", "-n", "bench"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout == "all seen\n"


def test_what_a_table_does_not_look_at_is_not_in_its_expression() -> None:
    assert expressions.table("1111000011110000", ["a", "b", "c", "d"]) == "c"
    assert expressions.table("0110", ["a", "b"]) == "(b ^ a)"
    assert expressions.table("0011", ["a", "b"]) == "~b"


@pytest.mark.parametrize("kind", ["LUT4 of an ECP5", "SB_LUT4", "CCU2C"])
def test_an_output_that_goes_nowhere_is_not_assigned(kind: str) -> None:
    outputs = KINDS[kind][3].split()
    said = expressions.statements(7, cells(kind)[0], lambda port: "" if port == outputs[0] else f"w_{port}")
    assert not any(each.startswith("assign  =") for each in said)

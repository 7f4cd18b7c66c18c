"""A bench for any module of the engine: what goes in in each cycle, what comes out, simulated by Icarus Verilog."""

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from hardware.fpga.simulator import RTL

Ports = Mapping[str, int]  # widths by name
Trace = list[dict[str, int | None]]  # by cycle; None where no bit is known, unknown ones are else 0


def traced(
    module: str,
    inputs: Ports,
    outputs: Ports,
    cycles: Sequence[Mapping[str, int]],
    parameters: Mapping[str, int] | None = None,
    *,
    sources: Sequence[Path] | None = None,
) -> Trace:
    """The outputs in each cycle, before its edge. Inputs that a cycle doesn't name are zero; negative ones wrap.

    `sources`: other files than the engine's, of SystemVerilog.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wide = sum(inputs.values())
        lines = [f"{_joined(inputs, cycle):0{-(-wide // 4)}x}" for cycle in cycles]
        (folder / "stimulus.hex").write_text("\n".join(lines))
        (folder / "bench.v").write_text(_bench(module, inputs, outputs, len(cycles), parameters or {}))
        found = ["-g2005", "-y", str(RTL)] if sources is None else ["-g2012", *map(str, sources)]
        build = ["iverilog", "-o", "bench", *found, "bench.v"]
        subprocess.run(build, cwd=folder, check=True, timeout=60)
        run = ["vvp", "-n", "bench"]
        said = subprocess.run(run, cwd=folder, check=True, timeout=120, capture_output=True, text=True).stdout
    return [_split(outputs, line) for line in said.split() if set(line) <= set("01xz")]


def _bench(module: str, inputs: Ports, outputs: Ports, cycles: int, parameters: Mapping[str, int]) -> str:
    named = ", ".join(f".{name}({value})" for name, value in parameters.items())
    ports = ", ".join([".clk(clk)", *_bound("given", inputs), *_bound("found", outputs)])
    return f"""
module bench;
  reg clk = 0;
  reg [{sum(inputs.values()) - 1}:0] given, stimulus[0:{cycles - 1}];
  wire [{sum(outputs.values()) - 1}:0] found;
  integer at;
  {module} #({named}) tested ({ports});
  initial begin
    $readmemh("stimulus.hex", stimulus);
    for (at = 0; at < {cycles}; at = at + 1) begin
      given = stimulus[at];
      #1 $display("%b", found);
      clk = 1;
      #1 clk = 0;
    end
    $finish;
  end
endmodule
"""


def _bound(vector: str, ports: Ports) -> list[str]:
    """Each port at its place in a vector, the first lowest."""
    bound, at = [], 0
    for name, width in ports.items():
        bound.append(f".{name}({vector}[{at} +: {width}])")
        at += width
    return bound


def _joined(ports: Ports, cycle: Mapping[str, int]) -> int:
    assert set(cycle) <= set(ports)
    number = at = 0
    for name, width in ports.items():
        number |= (cycle.get(name, 0) % (1 << width)) << at
        at += width
    return number


def _split(ports: Ports, bits: str) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    end = len(bits)
    for name, width in ports.items():
        part = bits[end - width : end]
        found[name] = None if set(part) <= set("xz") else int(part.replace("x", "0").replace("z", "0"), 2)
        end -= width
    return found


def signed(value: int | None, width: int) -> int | None:
    if value is None:
        return None
    return value - (1 << width) if value >> (width - 1) else value

"""The page about a circuit: what it takes of its chip, how fast it is, layer by layer, and what was proved of it.

One HTML file that needs nothing else and runs no script; pictures are inline SVG.
"""

from collections.abc import Sequence
from dataclasses import asdict
from html import escape

from hardware.fpga.flow import Report
from hardware.fpga.picture import Bar, bars
from hardware.fpga.proof import LayerCycles, Proved

NOT_TRIED = "No board was attached to any of this: the other end of the line was a simulation."
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a202c;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}small,figcaption{color:#4a5568}
table{border-collapse:collapse;margin:.5rem 0}th,td{padding:.25rem .6rem;border:1px solid #cbd5e0;text-align:left}
th[scope=row],td.said{overflow-wrap:anywhere;min-width:9rem;max-width:22rem}.wide{overflow-x:auto}
.number{text-align:right;font-variant-numeric:tabular-nums}figure{margin:.5rem 0}
svg{display:block;max-width:40rem;margin-top:.3rem}code{overflow-wrap:anywhere}
@media(prefers-color-scheme:dark){body{color:#e2e8f0;background:#171923}th,td{border-color:#4a5568}
small,figcaption{color:#a0aec0}}
@media(max-width:40rem){table{font-size:.875rem}th,td{padding:.25rem .4rem}}
"""
_STAGES = {
    "reference": "LiteRT's reference kernels = integer reference",
    "rtl": "integer reference = Verilog in simulation",
    "netlist": "Verilog = synthesised netlist in simulation, loaded at run time",
    "contained": "the same of the netlist that holds the model in its block RAM",
    "timing": "routed clock",
}

_TERMS = {
    "lane": "multiplies two whole numbers of 8 bits in each cycle and adds the product to a sum. The more lanes, the "
    "fewer cycles an answer takes",
    "cell": "is the smallest part of the chip that computes: a table with an entry for each state of four inputs",
    "multiplier": "is a part of the chip that does nothing else; lanes are made of them as far as they go",
    "block RAM": "is one of the chip's own small memories; the model lies in them or in larger ones "
    "beside them, and what it works on",
    "word": "is what a memory gives in one cycle",
}


def page(proved: Proved, *, title: str) -> str:
    """The whole document."""
    name = escape(title or "A model")
    sections = [
        f"<h1>{name}</h1><p>{_intro(proved)}</p>{_terms()}",
        _proof(proved),
        _area(proved),
        _memories(proved),
        _timing(proved.built.report),
        _layers(proved),
        _energy(proved),
        _made(proved.built.report),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{name}</title><style>{_STYLE}</style></head><body>{''.join(sections)}</body></html>\n"
    )


def _intro(proved: Proved) -> str:
    return (
        f"A circuit for {escape(proved.board.title)}: an engine of {proved.engine.lanes} lanes at "
        f"{proved.board.core_hz / 1e6:g} MHz answers in {proved.cycles:,} cycles, {proved.seconds * 1000:.3g} ms, "
        f"beside the serial line. {NOT_TRIED}"
    )


def _terms() -> str:
    items = "".join(f"<li>A <b>{escape(term)}</b> {escape(said)}.</li>" for term, said in _TERMS.items())
    return f"<details><summary>What lanes and cells are</summary><ul>{items}</ul></details>"


def _proof(proved: Proved) -> str:
    rows = [
        [
            escape(_STAGES.get(stage.name, stage.name)),
            str(stage.vectors or "–"),
            str(stage.mismatches) if stage.vectors else "–",
            escape(stage.detail),
        ]
        for stage in proved.stages
    ]
    return "<h2>What was proved</h2>" + _table(
        ["link of the chain", "vectors", "mismatches", ""], rows, numbers=(1, 2)
    )


def _area(proved: Proved) -> str:
    board = proved.board
    reports = {"the circuit": proved.built.report}
    if proved.contained is not None:
        reports["the one that holds the model"] = proved.contained.report
    drawn = "".join(
        bars(
            f"Taken of the {board.chip} by {name}",
            [
                _share("cells", report.cells, board.cells),
                _share("multipliers", report.multipliers, board.multipliers),
                _share("block RAMs", report.block_rams, board.block_rams),
            ],
        )
        for name, report in reports.items()
    )
    return f"<h2>Area</h2>{drawn}"


def _share(name: str, used: int, has: int) -> Bar:
    part = f" ({used / has:.0%})" if has else ""
    return Bar(name, used, has, f"{used:,} of {has:,}{part}")


def _memories(proved: Proved) -> str:
    words = asdict(proved.engine)
    rows = [
        _share(name.removesuffix("_words"), needed, words[name])
        for name, needed in proved.image.needs.items()
    ]
    return "<h2>Memories</h2>" + bars("Words of the engine's memories that this model takes", rows)


def _timing(report: Report) -> str:
    rows = [
        [
            str(each.seed),
            f"{each.fmax_hz / 1e6:.1f} MHz" if each.fmax_hz else escape(each.failure.splitlines()[0]),
            "yes" if each.seed == report.seed else "",
        ]
        for each in sorted(report.tried, key=lambda each: each.seed)
    ]
    margin = report.fmax_hz / report.wanted_hz - 1
    return (
        f"<h2>Timing</h2><p>The board gives {report.wanted_hz / 1e6:.1f} MHz; the routing allows "
        f"{report.fmax_hz / 1e6:.1f} MHz, {margin:+.0%}.</p>{_table(['seed', 'clock routed', 'taken'], rows)}"
    )


def _layers(proved: Proved) -> str:
    names = _names(proved.layers)
    rows = [
        [
            escape(name),
            f"{layer.cycles:,}",
            f"{layer.cycles / proved.cycles:.1%}",
            f"{layer.multiply_accumulates:,}",
            f"{_use(proved, layer):.0%}" if layer.multiply_accumulates else "–",
        ]
        for name, layer in zip(names, proved.layers, strict=True)
    ]
    head = ["layer", "cycles", "of all", "multiplications", "array's use"]
    most = max((layer.cycles for layer in proved.layers), default=0)
    drawn = bars(
        "Cycles",
        [
            Bar(name, layer.cycles, most, f"{layer.cycles:,}")
            for name, layer in zip(names, proved.layers, strict=True)
        ],
    )
    return f"<h2>Layer by layer</h2>{drawn}{_table(head, rows, numbers=(1, 2, 3, 4))}"


def _names(layers: Sequence[LayerCycles]) -> list[str]:
    """Operator and name of each, without the folders that all the names begin with."""
    paths = [layer.name.split("/") for layer in layers]
    shared = 0
    while all(len(path) > shared + 1 for path in paths) and len({path[shared] for path in paths}) == 1:
        shared += 1
    return [f"{layer.operator} {'/'.join(path[shared:])}" for layer, path in zip(layers, paths, strict=True)]


def _use(proved: Proved, layer: LayerCycles) -> float:
    """The share of the engine's multiplications in a layer's cycles that the layer needs."""
    return layer.multiply_accumulates / (layer.cycles * proved.engine.lanes)


def _energy(proved: Proved) -> str:
    found = proved.energy
    return (
        f"<h2>Energy, an estimate</h2><p>About {found.joules * 1e6:.3g} µJ an answer: "
        f"{found.static_watts * 1e3:.4g} mW at rest and {found.dynamic_watts * 1e3:.4g} mW at work. "
        f"{escape(found.formula)}.</p>"
        f"<p><small>{escape(found.source)}</small></p>"
    )


def _made(report: Report) -> str:
    rows = [[escape(name), escape(version)] for name, version in report.versions.items()]
    return (
        f"<h2>How it was made</h2><p>Seed {report.seed}; SHA-256 of the bitstream "
        f"<code>{escape(report.sha256)}</code>. <code>rebuild.py</code> makes the same bytes with these:</p>"
        f"{_table(['package', 'version'], rows)}"
    )


def _table(head: list[str], rows: list[list[str]], numbers: Sequence[int] = ()) -> str:
    """Cells are HTML already; the first of each row names it. `numbers`: the columns that stand on the right."""
    kinds = ["number" if column in numbers else "said" for column in range(len(head))]
    top = "".join(
        f'<th scope="col" class="{kind}">{cell}</th>' for kind, cell in zip(kinds, head, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in zip(kinds[1:], row[1:], strict=True))
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'

"""The walker's reads, one by one, against nested loops."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from hypothesis import given
from hypothesis import strategies as st

from tests.fpga.drawn import searched
from tests.fpga.rtl.benches import traced

WIDTHS = {
    **dict.fromkeys(("groups", "rows", "columns", "taps_down", "taps_across", "words", "hold"), 10),
    "advance": 2,
    **dict.fromkeys(("source", "row_stride", "column_stride", "tap_row_stride", "tap_column_stride"), 16),
    **dict.fromkeys(("top", "left", "down", "across", "tap_down", "tap_across", "height", "width"), 12),
    "weights": 16,
    **dict.fromkeys(("reuse", "b", "b_step"), 1),
    **dict.fromkeys(("b_source", "b_row_stride", "b_column_stride"), 16),
    "least": 7,
}
READ = {"address": 16, "weight": 16} | dict.fromkeys(
    ("outside", "first", "last", "tap", "second", "group_first", "group_last"), 1
)


@dataclass(frozen=True)
class Walk:
    """An operation's fields; counts as they are meant."""

    groups: int
    rows: int
    columns: int
    taps_down: int
    taps_across: int
    words: int
    hold: int
    advance: int
    source: int
    row_stride: int
    column_stride: int
    tap_row_stride: int
    tap_column_stride: int
    top: int
    left: int
    down: int
    across: int
    tap_down: int
    tap_across: int
    height: int
    width: int
    weights: int
    reuse: int
    b: int
    b_step: int
    b_source: int
    b_row_stride: int
    b_column_stride: int
    least: int

    def driven(self) -> dict[str, int]:
        counts = {"groups", "rows", "columns", "taps_down", "taps_across", "words", "hold", "least"}
        return {each.name: getattr(self, each.name) - (each.name in counts) for each in fields(self)}


counts = st.integers(1, 3)
addresses = st.integers(0, 60000)
strides = st.integers(-300, 300)
steps = st.integers(-2, 5)
walks = st.builds(
    Walk,
    groups=st.integers(1, 5), rows=counts, columns=counts, taps_down=counts, taps_across=counts, words=counts,
    hold=counts, advance=st.integers(0, 2), source=addresses, row_stride=strides, column_stride=strides,
    tap_row_stride=strides, tap_column_stride=strides, top=steps, left=steps, down=steps, across=steps,
    tap_down=steps, tap_across=steps, height=st.integers(0, 6), width=st.integers(0, 6), weights=addresses,
    reuse=st.integers(0, 1), b=st.integers(0, 1), b_step=st.integers(0, 1), b_source=addresses,
    b_row_stride=strides, b_column_stride=strides, least=st.sampled_from([2, 4, 8, 16, 128]),
)  # fmt: skip


def reads(walk: Walk) -> Iterator[list[dict[str, int]]]:
    """The reads of each group."""
    for row in range(walk.rows):
        for column in range(walk.columns):
            weight = walk.weights
            for group in range(walk.groups):
                if walk.reuse and group % walk.hold == 0:
                    weight = walk.weights
                made = list(taps(walk, row, column, group, weight))
                weight += walk.words * (1 if walk.reuse else walk.taps_down * walk.taps_across)
                if walk.b:
                    at = walk.b_source + row * walk.b_row_stride + column * walk.b_column_stride
                    made.append({"address": at + group * walk.b_step, "second": 1})
                for number, read in enumerate(made):
                    read |= {"last": int(number == len(made) - 1)}
                    read |= {"group_first": int(group == 0), "group_last": int(group == walk.groups - 1)}
                yield made


def taps(walk: Walk, row: int, column: int, group: int, weight: int) -> Iterator[dict[str, int]]:
    number = 0
    for down in range(walk.taps_down):
        for across in range(walk.taps_across):
            y = walk.top + row * walk.down + down * walk.tap_down
            x = walk.left + column * walk.across + across * walk.tap_across
            at = walk.source + row * walk.row_stride + column * walk.column_stride
            at += down * walk.tap_row_stride + across * walk.tap_column_stride
            for word in range(walk.words):
                yield {
                    "address": at + group // walk.hold * walk.advance + word,
                    "weight": weight + (word if walk.reuse else number),
                    "outside": int(not (0 <= y < walk.height and 0 <= x < walk.width)),
                    "first": int(number == 0),
                    "tap": int(word == 0),
                    "second": 0,
                }
                number += 1


@searched(60)
@given(walks)
def test_reads_are_those_of_nested_loops(walk: Walk) -> None:
    groups = list(reads(walk))
    cycles = sum(max(len(group), walk.least) for group in groups)
    driven = walk.driven()
    trace = traced(
        "walker", {"reset": 1, "load": 1, **WIDTHS}, {"finished": 1, "issue": 1, **READ},
        [{"reset": 1}, {**driven, "load": 1}, *[driven] * (cycles + 3)], {"PACE_BITS": 7},
    )  # fmt: skip
    assert [at for at, row in enumerate(trace) if row["finished"] == 1] == [1 + cycles]
    wanted = [
        {name: value % (1 << READ[name]) for name, value in read.items()}
        for group in groups
        for read in group
    ]
    issued = [row for row in trace[2:] if row["issue"] == 1]
    assert len(issued) == len(wanted)
    for found, read in zip(issued, wanted, strict=True):
        assert {name: found[name] for name in read} == read
    begins = [at for at, row in enumerate(trace) if row["issue"] == 1 and row["first"] == 1]
    assert begins == [
        3 + sum(max(len(group), walk.least) for group in groups[:number]) for number in range(len(groups))
    ]

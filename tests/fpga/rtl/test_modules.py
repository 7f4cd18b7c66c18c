"""Each module of the engine in a bench of its own, cycle by cycle, against what its header says."""

from typing import Any

import numpy as np
import pytest

from hardware.fpga.arithmetic import narrowed
from hardware.fpga.cycles import settling
from hardware.fpga.engine import Engine
from hardware.fpga.factors import UNCHANGED, constant_words
from hardware.fpga.ir import Once, Output, Scaling, Twice
from hardware.fpga.operations import WORDS, operation
from hardware.fpga.single_rounding import divider
from tests.fpga.rtl.benches import Trace, signed, traced

Row = dict[str, int]
PACES = (1, 16)
SETTLE = settling(Engine())


def packed(values: Any, bits: int = 8) -> int:
    """Numbers side by side, the first lowest."""
    return sum((int(value) % (1 << bits)) << (bits * at) for at, value in enumerate(values))


def seen(trace: Trace, *names: str) -> list[tuple[int | None, ...]]:
    return [tuple(row[name] for name in names) for row in trace]


def test_a_memory_answers_a_cycle_later() -> None:
    ports = {"write": 1, "write_address": 16, "write_data": 12, "read_address": 16}
    writes = [{"write": 1, "write_address": at, "write_data": 7 * at + 1} for at in range(16)]
    reads = [{"read_address": at} for at in (3, 15, 0)]
    ignored = [{"write_address": 3, "write_data": 99}]
    trace = traced(
        "memory", ports, {"read_data": 12}, [*writes, *ignored, *reads, {}], {"WIDTH": 12, "DEPTH": 16}
    )
    assert [row["read_data"] for row in trace[-3:]] == [22, 106, 1]


def test_the_loader_writes_words_with_their_eighth_byte() -> None:
    inputs = {"locked": 1, "bus_write": 1, "bus_address": 24, "bus_data": 8}
    outputs = {
        "word": 64, "place": 17, "to_program": 1, "to_weights": 1, "to_constants": 1, "to_tables": 1,
        "byte_mask": 8, "byte_address": 16, "byte_data": 8,
    }  # fmt: skip

    def sent(memory: int, first: int, count: int, *, locked: int = 0) -> list[Row]:
        return [
            {"locked": locked, "bus_write": 1, "bus_address": (memory << 20) + at, "bus_data": at % 251}
            for at in range(first, first + count)
        ]

    cycles = [*sent(1, 16, 16), *sent(0, 8, 8), *sent(2, 0, 8), *sent(3, 0, 8), *sent(4, 5, 5), {}]
    trace = traced("loader", inputs, outputs, [*cycles, *sent(1, 0, 8, locked=1), {}])
    words = [
        (name, row["place"], row["word"])
        for row in trace
        for name in ("to_program", "to_weights", "to_constants", "to_tables")
        if row[name] == 1
    ]
    assert words == [
        ("to_weights", 2, packed(range(16, 24))),
        ("to_weights", 3, packed(range(24, 32))),
        ("to_program", 1, packed(range(8, 16))),
        ("to_constants", 0, packed(range(8))),
        ("to_tables", 0, packed(range(8))),
    ]
    bytes_ = [(row["byte_mask"], row["byte_address"], row["byte_data"]) for row in trace if row["byte_mask"]]
    assert bytes_ == [(1 << at % 8, at // 8, at) for at in range(5, 10)]


def test_the_sequencer_runs_operations_until_the_final_one() -> None:
    run = 5  # the walker's cycles
    operations = [operation(groups=3), operation(final=1, out=77)]
    program = b"".join(each.encoded() for each in operations)
    words = [int.from_bytes(program[at : at + 8], "little") for at in range(0, len(program), 8)]
    each = WORDS + 2 + run + SETTLE
    cycles: list[Row] = [{"reset": 1}, {"start": 1}]
    for number in range(2):
        for at in range(each):
            # A word is there one cycle after its address.
            data = words[number * WORDS + at - 1] if 1 <= at <= WORDS else 0
            cycles.append({"program_data": data, "finished": int(at == WORDS + 2 + run - 1)})
    trace = traced(
        "sequencer",
        {"reset": 1, "start": 1, "program_data": 64, "finished": 1},
        {"busy": 1, "cycles": 32, "program_address": 16, "operation": 64 * WORDS, "load": 1},
        [*cycles, {}, {}],
    )
    assert [at for at, row in enumerate(trace) if row["load"] == 1] == [2 + WORDS + 1, 2 + each + WORDS + 1]
    assert [row["busy"] for row in trace[1:]] == [0, *[1] * (2 * each), 0, 0]
    assert trace[-1]["cycles"] == 2 * each
    assert [row["program_address"] for row in trace[2 : 2 + WORDS]] == list(range(WORDS))
    whole = int.from_bytes(program[8 * WORDS :], "little")
    assert trace[2 + each + WORDS + 1]["operation"] == trace[-3]["operation"] == whole


def stepping(slots: int, pace: int) -> list[Row]:
    """Cycles in which so many sums leave, one every `pace` cycles."""
    return [{"step": int(at % pace == pace - 1)} for at in range(slots * pace)]


def test_a_row_of_the_array_adds_products_up() -> None:
    chance = np.random.default_rng(1)
    data, weights = chance.integers(-128, 128, (2, 40, 8))
    data[:3], weights[:3] = -128, -128
    groups = [3, 1, 1, 20, 15]
    first = np.zeros(40, int)
    first[np.cumsum([0, *groups[:-1]])] = 1
    cycles: list[Row] = [{"data": packed(data[at]), "weights": packed(weights[at])} for at in range(40)]
    cycles += [{} for _ in range(5)]
    for at in range(40):
        cycles[at + 3] |= {"add": 1, "first": int(first[at])}
    trace = traced("mac_row", {"data": 64, "weights": 64, "add": 1, "first": 1}, {"sum": 32}, cycles)
    ends = np.cumsum(groups) - 1
    wanted = [
        int((data[end + 1 - size : end + 1] * weights[end + 1 - size : end + 1]).sum())
        for end, size in zip(ends, groups, strict=True)
    ]
    assert [signed(trace[end + 4]["sum"], 32) for end in ends] == wanted


def test_a_memory_of_one_port_is_written_or_read() -> None:
    writes = [{"write": 1, "address": at, "write_data": 7 * at + 1} for at in range(16)]
    reads = [{"address": at, "write_data": 99} for at in (3, 15)]
    kept = [{"write": 1, "address": 0, "write_data": 5}, {"address": 0}, {}]
    trace = traced(
        "single_port_memory", {"write": 1, "address": 16, "write_data": 12}, {"read_data": 12},
        [*writes, *reads, *kept], {"WIDTH": 12, "DEPTH": 16},
    )  # fmt: skip
    assert [row["read_data"] for row in trace[17:]] == [22, 106, 106, 5]


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize(("outputs", "slots", "banks"), [(1, 1, 1), (2, 2, 1), (8, 8, 1), (16, 8, 2)])
def test_the_arrays_sums_leave_channel_by_channel(outputs: int, slots: int, banks: int, pace: int) -> None:
    chance = np.random.default_rng(2)
    data, weights = chance.integers(-128, 128, 8), chance.integers(-128, 128, (outputs, 8))
    cycles: list[Row] = [{"data": packed(data), "weights": packed(weights.ravel())}]
    cycles += [{}, {}, {"add": 1, "first": 1}, {"take": 1}, *stepping(slots, pace)]
    trace = traced(
        "array", {"data": 64, "weights": 64 * outputs, "add": 1, "first": 1, "take": 1, "step": 1},
        {"sums": 32 * banks}, cycles, {"OUTPUTS": outputs, "SLOTS": slots, "BANKS": banks},
    )  # fmt: skip
    sums = weights @ data
    for slot in range(slots):
        wanted = packed([sums[bank * slots + slot] for bank in range(banks)], 32)
        assert {row["sums"] for row in trace[5 + slot * pace : 5 + (slot + 1) * pace]} == {wanted}


def scalings() -> list[tuple[Scaling, int]]:
    """And how far sums may go."""
    top = (1 << 31) - 1
    return [
        (Twice(np.array([1518500250]), np.array([-9])), top),
        (Twice(np.array([1 << 30]), np.array([-31])), top),
        (Twice(np.array([1 << 30]), np.array([0])), top),
        (Twice(np.array([1 << 30]), np.array([-1])), top),
        (Twice(np.array([1518500250]), np.array([-1])), top),
        (Twice(np.array([1 << 30]), np.array([-2])), top),
        (Twice(np.array([1 << 30]), np.array([1])), top >> 1),
        (Twice(np.array([top]), np.array([4])), top >> 4),
        (Twice(np.array([0]), np.array([0])), top),
        (Once(np.array([(1 << 35) - 1]), np.array([62])), top),
        (Once(np.array([5]), np.array([16])), top),
        (UNCHANGED, top),
        (divider(9), 9 * 128),
        (divider(25), 25 * 128),
    ]


@pytest.mark.parametrize(
    ("module", "pace", "latency"), [("requantiser", 1, 11), ("serial_requantiser", 16, 17)]
)
@pytest.mark.parametrize("number", range(len(scalings())))
def test_requantisers_round_as_litert_does(number: int, module: str, pace: int, latency: int) -> None:
    scaling, reach = scalings()[number]
    chance = np.random.default_rng(3)
    spread = (reach * 2.0 ** -chance.uniform(0, 30, 2000)) * chance.choice([-1, 1], 2000)
    sums = np.concatenate([np.arange(-600, 600), [reach, -reach], spread]).astype(np.int64)
    biases = chance.integers(-400, 400, len(sums))
    sums = np.clip(sums, -reach + 400, reach - 400)
    out = Output(-3, -100, 90)
    words = constant_words(scaling, np.zeros(1, np.int64), reach)
    common = {"scale": int(words[0, 0]), "zero": out.zero, "low": out.low, "high": out.high}
    cycles = [
        cycle
        for total, bias in zip(sums, biases, strict=True)
        for cycle in ({**common, "valid": 1, "sum": int(total), "bias": int(bias)}, *[common] * (pace - 1))
    ]
    inputs = {"reset": 1, "valid": 1, "sum": 32, "bias": 32, "scale": 43, "zero": 8, "low": 8, "high": 8}
    trace = traced(
        module, inputs, {"valid_out": 1, "result": 8},
        [{"reset": 1}, *cycles, *({**common} for _ in range(latency + 1))],
    )  # fmt: skip
    found = [signed(row["result"], 8) for row in trace if row["valid_out"] == 1]
    times = [at for at, row in enumerate(trace) if row["valid_out"] == 1]
    assert times == list(range(1 + latency, 1 + latency + pace * len(sums), pace))
    assert np.array_equal(found, narrowed(sums + biases, scaling, out))


@pytest.mark.parametrize("pace", PACES)
def test_elements(pace: int) -> None:
    """The greatest of a window beside a second operand; then their bytes plain, from tables, as products."""
    chance = np.random.default_rng(4)
    windows, other = chance.integers(-128, 128, (3, 8)), chance.integers(-128, 128, 8)
    inputs = {
        "data": 64, "add": 1, "first": 1, "second": 1, "take": 1, "operation": 2, "still_a": 1, "still_b": 1,
        "step": 1, "zero_a": 8, "zero_b": 8, "entry_a": 32, "entry_b": 32,
    }  # fmt: skip
    a = windows.max(axis=0)
    for function in range(3):
        for still in (0, 1):
            common = {"operation": function, "still_a": 0, "still_b": still, "zero_a": -128, "zero_b": 100}
            cycles = [
                {**common, "data": packed(row), "add": 1, "first": int(at == 0)}
                for at, row in enumerate(windows)
            ]
            cycles += [{**common, "data": packed(other), "add": 1, "second": 1}, {**common, "take": 1}]
            cycles += [{**common, **cycle} for cycle in stepping(8, pace)]
            cycles += [{**common} for _ in range(4)]
            b = other[[0] * 8] if still else other
            # An entry comes one cycle after its index, which comes one after `take`.
            for at in range(8 * pace):
                byte = at // pace
                cycles[6 + at] |= {"entry_a": int(a[byte]) << 20, "entry_b": -int(b[byte]) << 3}
            trace = traced("elements", inputs, {"index_a": 8, "index_b": 8, "sum": 32}, cycles)
            assert seen(trace[5 : 5 + 8 * pace], "index_a", "index_b") == [
                (x + 128, y + 128) for x, y in zip(a, b, strict=True) for _ in range(pace)
            ]
            wanted = [a, (a << 20) - (b << 3), (a + 128) * (b - 100)][function]
            found = [signed(row["sum"], 32) for row in trace[8 : 8 + 8 * pace]]
            assert found == np.repeat(wanted, pace).tolist()


@pytest.mark.parametrize("pace", PACES)
def test_slots_find_each_channels_constants(pace: int) -> None:
    inputs = {
        "reset": 1, "take": 1, "group_first": 1, "group_last": 1, "taps_inside": 10, "slots": 3, "by": 2,
        "base": 16, "first_valid": 4, "second_valid": 4,
    }  # fmt: skip
    for by in range(3):
        common = {"slots": 7, "by": by, "base": 100, "first_valid": 8, "second_valid": 3}
        taken = {"take": 1, "taps_inside": 6}
        groups = [{**taken, "group_first": 1}, {**taken, "group_last": 1, "taps_inside": 4}]
        group, end = 8 * pace, 2 + 16 * pace
        taking = ({**common, **(groups[at // group] if at % group == 0 else {})} for at in range(2 * group))
        trace = traced(
            "slots", inputs, {"constant": 16, "valid": 2, "step": 1},
            [{"reset": 1}, *taking, *[common] * 4], {"PACE": pace},
        )  # fmt: skip
        found = [row["constant"] for row in trace[2:end]]
        assert (
            found == np.repeat([[100] * 16, list(range(100, 116)), [106] * 8 + [104] * 8][by], pace).tolist()
        )
        assert [row["valid"] for row in trace[2:end:pace]] == [3] * 8 + [3] * 3 + [1] * 5
        assert {row["valid"] for at, row in enumerate(trace[2:end]) if at % pace} <= {0}
        assert [row["valid"] for row in trace[end : end + 2]] == [0, 0]
        assert [row["step"] for row in trace[2:end]] == [
            int(at % pace == pace - 1) for at in range(16 * pace)
        ]


def written(trace: Trace) -> dict[int, int]:
    """Bytes by address."""
    found: dict[int, int] = {}
    for row in trace:
        for at in range(8):
            if row["write_mask"] is not None and row["write_mask"] >> at & 1:
                address, data = row["write_address"], row["write_data"]
                assert address is not None
                assert data is not None
                assert address * 8 + at not in found
                found[address * 8 + at] = data >> 8 * at & 255
    return found


PACKER = {
    "reset": 1, "load": 1, "out": 16, "row_stride": 16, "column_stride": 16, "columns": 16, "channels": 16,
    "lane": 3, "both": 1, "valid": 2, "bytes": 16,
}  # fmt: skip
WRITTEN = {"write_mask": 8, "write_address": 16, "write_data": 64}


@pytest.mark.parametrize("lane", [0, 3, 7])
@pytest.mark.parametrize("channels", [1, 5, 8, 19])
def test_the_packer_puts_bytes_where_they_belong(channels: int, lane: int) -> None:
    rows, columns, words = 3, 2, 4
    common = {
        "out": 50, "row_stride": 20, "column_stride": words, "columns": columns - 1, "channels": channels - 1,
        "lane": lane,
    }  # fmt: skip
    cycles: list[Row] = [{"reset": 1}, {**common, "load": 1}]
    wanted = {}
    for number in range(rows * columns * channels):
        point, channel = divmod(number, channels)
        cycles.append({**common, "valid": 1, "bytes": number % 251})
        if number % 3 == 0:
            cycles.append({**common})
        at = 8 * (50 + point // columns * 20 + point % columns * words) + lane + channel
        wanted[at] = number % 251
    assert written(traced("packer", PACKER, WRITTEN, [*cycles, {}, {}])) == wanted


@pytest.mark.parametrize("channels", [16, 17, 23, 24, 25, 40])
def test_the_packer_puts_two_banks_side_by_side(channels: int) -> None:
    points, groups = 3, -(-channels // 16)
    first = sum(channel % 16 < 8 for channel in range(channels))
    words = -(-channels // 8)
    common = {
        "out": 9,
        "row_stride": 0,
        "column_stride": words,
        "columns": 9,
        "channels": first - 1,
        "both": 1,
    }
    cycles: list[Row] = [{"reset": 1}, {**common, "load": 1}]
    wanted = {}
    for point in range(points):
        for group in range(groups):
            for slot in range(8):
                at = [16 * group + 8 * bank + slot for bank in range(2)]
                value = [(point * channels + channel) % 251 for channel in at]
                valid = sum((channel < channels) << bank for bank, channel in enumerate(at))
                cycles.append({**common, "valid": valid, "bytes": value[0] | value[1] << 8})
                for channel, byte in zip(at, value, strict=True):
                    if channel < channels:
                        wanted[8 * (9 + point * words) + channel] = byte
    trace = traced("packer", PACKER, WRITTEN, [*cycles, {}, {}, {}], {})
    assert written(trace) == wanted

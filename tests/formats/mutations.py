"""Structure-aware damage: the fields of valid files are changed, and what guards them is set right again.

Blind damage mostly ends at the first checksum. Here a mutated PNG has right CRCs, a tar right header sums, a gzip a
right trailer, a Parquet file the right length of its footer, so that the readers behind these guards are met too.
"""

import gzip
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Regions = list[tuple[int, int]]
Edit = tuple[float, float, bytes, int]

SIZES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
LITTLE = [n.to_bytes(4, "little") for n in SIZES] + [(2**63 - 1).to_bytes(8, "little"), b"\xff" * 8]
BIG = [n.to_bytes(4, "big") for n in SIZES] + [n.to_bytes(2, "big") for n in SIZES if n < 0x10000]
OCTAL = [b"%011o\0" % n for n in (0, 1, 511, 512, 513, 2**33 - 1)] + [
    b"\x80" + b"\xff" * 11,
    b"-1",
    b" 7",
    b"0" * 12,
]


def whole(data: bytes) -> Regions:
    return [(0, len(data))]


def as_is(data: bytes) -> bytes:
    return data


@dataclass(frozen=True)
class Kind:
    """A format: where its fields lie, what is likely to upset its readers, and how its guards are set right."""

    regions: Callable[[bytes], Regions] = whole
    tokens: Sequence[bytes] = field(default_factory=tuple)
    repair: Callable[[bytes], bytes] = as_is


def mutants(data: bytes, kind: Kind) -> st.SearchStrategy[bytes]:
    """`data` with up to five edits in its fields, then repaired, then maybe cut off or with a piece doubled."""
    piece = st.one_of(st.binary(max_size=4), st.sampled_from([b"", *kind.tokens]))
    edit = st.tuples(st.floats(0, 1), st.floats(0, 1), piece, st.integers(0, 12))
    cut = st.one_of(st.none(), st.floats(0, 1))
    doubled = st.one_of(st.none(), st.tuples(st.floats(0, 1), st.integers(1, 600)))
    return st.builds(
        lambda edits, cut, doubled: _mutant(data, kind, edits, cut, doubled),
        st.lists(edit, max_size=5),
        cut,
        doubled,
    )


def _mutant(data: bytes, kind: Kind, edits: list[Edit], cut: float | None, doubled: Any) -> bytes:
    for which, where, piece, removed in edits:
        regions = kind.regions(data) or whole(data)
        start, end = regions[min(int(which * len(regions)), len(regions) - 1)]
        at = start + int(where * (end - start))
        keep = removed if piece and removed < len(piece) else len(piece)  # mostly overwrite, sometimes shift
        data = data[:at] + piece + data[at + (keep if removed % 2 else removed) :]
    if doubled is not None:
        at = int(doubled[0] * len(data))
        data = data[:at] + data[at : at + doubled[1]] + data[at:]
    data = kind.repair(data)
    return data if cut is None else data[: int(cut * len(data))]


# --- archives -----------------------------------------------------------------------------------------------


def _zip_records(data: bytes) -> Regions:
    sizes = {b"PK\x03\x04": 46, b"PK\x01\x02": 64, b"PK\x05\x06": 22, b"PK\x06\x06": 56, b"PK\x06\x07": 20}
    found = re.finditer(rb"PK(?:\x03\x04|\x01\x02|\x05\x06|\x06\x06|\x06\x07)", data)
    return [(hit.start() + 4, min(len(data), hit.start() + sizes[hit.group()])) for hit in found]


def _tar_headers(data: bytes) -> Regions:
    return [(at, at + 345) for at in range(0, len(data) - 511, 512) if data[at + 257 : at + 262] == b"ustar"]


def _with_sums(data: bytes) -> bytes:
    """A tar whose headers all have the right sum."""
    fixed = bytearray(data)
    for at, _end in _tar_headers(data):
        fixed[at + 148 : at + 156] = b" " * 8
        fixed[at + 148 : at + 156] = b"%06o\0 " % sum(fixed[at : at + 512])
    return bytes(fixed)


ZIP = Kind(
    _zip_records, [*LITTLE, b"\x08\0", b"\x0c\0", b"../", b"\\\\", b"\0", b"PK\x05\x06", b"\x01\0\x10\0"]
)
TAR_TYPES = [bytes([n]) for n in b"01234567DKLMNSVXgx\0"]
TAR = Kind(
    _tar_headers,
    [*OCTAL, *TAR_TYPES, b"../", b"/", b"\xff", b"27 path=../x\n", b"GNU.sparse.map"],
    _with_sums,
)
TAR_GZ = Kind(_tar_headers, TAR.tokens, lambda data: gzip.compress(_with_sums(data), 1, mtime=0))
GZIP = Kind(
    lambda data: [(0, 20), (max(0, len(data) - 12), len(data))], [*LITTLE, b"\x1f\x8b\x08", b"\x04", b"\x08"]
)


# --- pictures -----------------------------------------------------------------------------------------------


def _chunks(data: bytes) -> Regions:
    """The chunks of a PNG by their lengths, as far as these lead."""
    found, at = [], 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        found.append((at, min(end, len(data))))
        at = end
    return found


def _with_crcs(data: bytes) -> bytes:
    fixed = bytearray(data)
    for start, end in _chunks(data):
        if end - start >= 12:
            fixed[end - 4 : end] = zlib.crc32(fixed[start + 4 : end - 4]).to_bytes(4, "big")
    return bytes(fixed)


def _segments(data: bytes) -> Regions:
    """The segments of a JPEG, with the first bytes behind each marker."""
    return [
        (hit.start() + 1, min(len(data), hit.start() + 24)) for hit in re.finditer(rb"\xff[\xc0-\xfe]", data)
    ]


PNG_CHUNKS = [b"IDAT", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"zTXt", b"acTL", b"fcTL", b"fdAT", b"IEND"]
JPEG_MARKERS = (0xC0, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD, 0xE1, 0xE2, 0xEE)
BMP_FIELDS = (1, 2, 3, 4, 6, 8, 12, 24, 40, 64, 124)
WEBP_CHUNKS = [b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"ANMF", b"EXIF"]
PICTURES = {
    "PNG": Kind(_chunks, [*BIG, *PNG_CHUNKS, b"\x10\x06", b"\x10\x04", b"\x08\x03"], _with_crcs),
    "JPEG": Kind(_segments, [*BIG, *(bytes([0xFF, n]) for n in JPEG_MARKERS)]),
    "GIF": Kind(lambda data: [(6, 64), (0, len(data))], [*LITTLE, b"\x2c", b"\x21\xf9\x04", b"\x3b"]),
    "BMP": Kind(lambda _data: [(2, 60)], [*LITTLE, *(bytes([n, 0, 0, 0]) for n in BMP_FIELDS)]),
    "WEBP": Kind(lambda data: [(4, 60), (0, len(data))], [*LITTLE, *WEBP_CHUNKS]),
}


# --- tables -------------------------------------------------------------------------------------------------

ODD_CELLS = [
    "1e999", "-1e-999", "nan", "-inf", "0x1F", "1_000", "1,234.56", "1.234,56", "١٢", "½", "=1+1", "@SUM(A1)",
    "9" * 400, "2026-02-30", "\ufeff", "\u202e", "\x1b[31m", "\U0001f9d1\u200d\U0001f680", "NULL", "x" * 70_000,
    "\x85", "\u2028",
]  # fmt: skip
TEXT = Kind(
    tokens=[cell.encode() for cell in ODD_CELLS]
    + [
        b'"',
        b'""',
        b'"\n',
        b",",
        b";",
        b"\t",
        b"|",
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
    ]
    + [b"," * 3_000, b"\n" * 50, b'"\n",' * 200, b"\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"+ADw-"]
)
TEXT_16 = Kind(
    tokens=[cell.encode("utf-16-le") for cell in [*ODD_CELLS, '"', "\t", "\n", "\0"]] + [b"\x00\xd8", b"x"]
)


def varint(number: int) -> bytes:
    """A thrift integer: zigzag, then 7 bits a byte."""
    number, found = (number << 1) ^ (number >> 63), bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def footer(data: bytes) -> tuple[int, int]:
    """Where a Parquet file's footer begins and ends."""
    length = int.from_bytes(data[-8:-4], "little")
    return max(4, len(data) - 8 - length), max(4, len(data) - 8)


THRIFT = [
    varint(n) for n in (0, 1, -1, 2, 63, 127, 2**15, 2**31 - 1, -(2**31), 2**32, 2**62, 2**63 - 1, -(2**63))
]
THRIFT_TYPES = [bytes([n]) for n in (0x15, 0x16, 0x18, 0x19, 0x1C, 0x11, 0x12, 0x25, 0x26, 0xF5, 0xFC, 0x00)]


def footers(data: bytes) -> Kind:
    """Edits in the footer of this Parquet file; its length is kept right."""
    start, _end = footer(data)

    def repair(mutant: bytes) -> bytes:
        return mutant[:-8] + struct.pack("<L", max(0, len(mutant) - 8 - start)) + b"PAR1"

    return Kind(lambda mutant: [(start, len(mutant) - 8)], [*THRIFT, *THRIFT_TYPES], repair)


def pages(data: bytes) -> Kind:
    """Edits in the pages and their headers, which keep their places in front of an honest footer."""
    start, _end = footer(data)

    def repair(mutant: bytes) -> bytes:
        return mutant[:start].ljust(start, b"\0") + data[start:]

    return Kind(lambda _mutant: [(4, start)], [*THRIFT, *THRIFT_TYPES, *LITTLE], repair)

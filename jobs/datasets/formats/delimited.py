"""Delimited text (CSV, TSV and the like): encoding and delimiter told by looking, records by line."""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

from jobs.datasets.formats.limits import MAX_LINE_CHARACTERS, MAX_RECORD_CHARACTERS
from jobs.datasets.formats.rejected import Rejected

DELIMITERS: Final = (",", ";", "\t", "|")
SAMPLE_BYTES: Final = 256 * 1024
SAMPLE_RECORDS: Final = 200
SAMPLE_CHARACTERS: Final = 4_000_000
RECORD_TOO_LONG: Final = "record too long"
ASCII_END: Final = 0x7F
CHUNK_BYTES: Final = 1024 * 1024
MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ALONE: Final = re.compile(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])")
CENTRAL: Final = re.compile(rb"[A-Za-z][\xb3\xb9\xbf\x9f\xa5\xa3][a-z]")
"""Polish letters inside a word, where cp1252 would have signs such as "³"."""
OLDER_ENCODINGS: Final = [
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "shift_jis",
    "gb18030",
    "euc_kr",
    "big5",
]
"""Those of spreadsheets in use; told apart by how the text reads in them."""


@dataclass(frozen=True, slots=True)
class Dialect:
    encoding: str
    delimiter: str


def sniff(file: IO[bytes]) -> Dialect:
    """How the text in `file` is to be read. Raises `Rejected` for what is no text."""
    encoding = sniff_encoding(file)
    lines: list[str] = []
    characters = 0
    for line in _lines(file, encoding):
        lines.append(line)
        characters += len(line)
        if len(lines) >= SAMPLE_RECORDS or characters >= SAMPLE_CHARACTERS:
            break
    return Dialect(encoding, max(DELIMITERS, key=lambda delimiter: _regularity(lines, delimiter)))


def _regularity(lines: list[str], delimiter: str) -> tuple[float, int]:
    """How well the delimiter explains the lines: the part with as many fields as the first, and how many."""
    try:
        counts = [len(record) for record in csv.reader(lines, delimiter=delimiter) if record]
    except csv.Error:
        return (0.0, 0)
    if not counts or counts[0] == 1:
        return (0.0, 0)
    return (counts.count(counts[0]) / len(counts), counts[0])


def records(file: IO[bytes], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not blank, with the 1-based number of the line it starts on.

    Raises `Rejected` with the line's number for text that cannot be read.
    """
    taken = _Taken()
    lines = taken.counted(_lines(file, dialect.encoding))
    reader = csv.reader(lines, delimiter=dialect.delimiter, strict=True)
    while True:
        taken.characters = 0
        line = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise Rejected("unreadable_line", f"Line {line} cannot be read: {_in_words(error)}") from error
        if record is None:
            return
        if record:
            yield line, record


class _Taken:
    """Counts what went into the record that is being read: a quoted value may go on over any number of lines."""

    characters = 0

    def counted(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            self.characters += len(line)
            if self.characters > MAX_RECORD_CHARACTERS:
                raise csv.Error(RECORD_TOO_LONG)
            yield line


def _in_words(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return "a quotation mark opens there and is never closed. Close it, or remove it."
    if "field larger" in text:
        return "a value is longer than 131,072 characters. Shorten it, or close its quotation mark."
    if text == RECORD_TOO_LONG:
        return (
            f"the row goes on for more than {MAX_RECORD_CHARACTERS:,} characters. Check its quotation marks."
        )
    return "its quotation marks do not match. Double each quotation mark inside a quoted value."


def _lines(file: IO[bytes], encoding: str) -> Iterator[str]:
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, newline="")
    try:
        for number in itertools.count(1):
            line = text.readline(MAX_LINE_CHARACTERS)
            if len(line) >= MAX_LINE_CHARACTERS:
                raise Rejected(
                    "line_too_long", f"Line {number} is longer than {MAX_LINE_CHARACTERS:,} characters."
                )
            if "\0" in line:
                raise _no_text(f" (line {number})")
            if not line:
                return
            yield line
    except UnicodeError as error:
        raise Rejected(
            "unknown_encoding",
            f"The text cannot be read as {encoding} (near line {number}). Save the file as UTF-8.",
        ) from error
    finally:
        if not file.closed:  # or the wrapper would close the file that others go on reading
            text.detach()


def sniff_encoding(file: IO[bytes]) -> str:
    """A Python codec's name. UTF-8 is tried on the whole file, before anything older is guessed."""
    file.seek(0)
    sample = file.read(SAMPLE_BYTES)
    marked = next((encoding for mark, encoding in MARKS if sample.startswith(mark)), None)
    if marked:
        return marked
    if b"\0" in sample:
        return _wide(sample)
    suspect = _not_utf8(file)
    return "utf-8" if suspect is None else _older(suspect)


def _wide(sample: bytes) -> str:
    """UTF-16 without its mark: mostly ASCII, so that every other byte is zero."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if min(even, odd) > max(even, odd) // 10 or max(even, odd) < len(sample) // 4:
        raise _no_text()
    return "utf-16-be" if even > odd else "utf-16-le"


def _not_utf8(file: IO[bytes]) -> bytes | None:
    """None for UTF-8; else the chunk that is not."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    while True:
        chunk = file.read(CHUNK_BYTES)
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError:
            return chunk
        if not chunk:
            return None


def _older(chunk: bytes) -> str:
    """What is neither UTF-8 nor UTF-16. Single accented letters between ASCII ones are Western or Central European.

    charset-normalizer takes "Señor" for Polish and "25°C" for Chinese; it is asked about other scripts only.
    """
    at = next((at for at, byte in enumerate(chunk) if byte > ASCII_END), 0)
    sample = chunk[max(0, at - 1024) : at + 16 * 1024]
    if 2 * len(ALONE.findall(sample)) >= sum(byte > ASCII_END for byte in sample):
        return "cp1250" if CENTRAL.search(sample) else "cp1252"
    from charset_normalizer import from_bytes  # costs 40 ms, and few files need it

    best = from_bytes(sample, cp_isolation=OLDER_ENCODINGS).best()
    return best.encoding if best else "latin-1"


def _no_text(where: str = "") -> Rejected:
    return Rejected(
        "not_text",
        f"The file is no text: it holds zero bytes{where}. Save the table as CSV (UTF-8) and upload that.",
    )

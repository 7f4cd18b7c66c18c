"""Tables that are ragged, wide, wrongly encoded, or made for a spreadsheet to run."""

from tests.hostile.case import CLASSES, QUANTITIES, Case

HEAD = "width,colour,kind\n"
ROWS = "".join(f"{n / 2},{['red', 'blue'][n % 2]},{['a', 'b'][n // 3 % 2]}\n" for n in range(24))
GOOD = HEAD + ROWS
FORMULAS = ("=cmd|calc", "@SUM(A1)", "+1+1", "-2+3")
EMOJI = "\U0001f600"


def text(
    content: str, code: str = "", part: str = "", *, task: str = CLASSES, encoding: str = "utf-8"
) -> Case:
    return Case(lambda: content.encode(encoding), code, part, task=task, filename="table.csv")


def raw(content: bytes, code: str = "", part: str = "", task: str = CLASSES) -> Case:
    return Case(lambda: content, code, part, task=task, filename="table.csv")


def wide() -> bytes:
    """Two thousand columns of twenty categories of two hundred emoji: what is told of them must stay bounded."""
    names = ",".join(f"{EMOJI * 190}{n}" for n in range(1_999))
    rows = (",".join([EMOJI * 199 + chr(65 + n % 20)] * 1_999) + f",{'ab'[n % 2]}" for n in range(42))
    return (names + ",kind\n" + "\n".join(rows)).encode()


CASES = {
    "a short line": text(f"{GOOD}1.5,red\n", "ragged_line", "Line 26 has 2 values, but the first line names 3"),
    "a long line": text(f"{GOOD}1,2,3,4\n{ROWS}", "ragged_line", "Line 26 has 4 values"),
    "an open quotation mark": text(f'{GOOD}1,"red,a\n{ROWS}', "unreadable_line", "Line 26"),
    "an open quotation mark before megabytes": text(f'{GOOD}1,"red,a\n{ROWS * 3_000}', "unreadable_line", "Line 26"),
    "quotation marks in the middle": text(f'{GOOD}1,"red"x,a\n', "unreadable_line", "Line 26"),
    "a row of thirty million values": Case(
        lambda: HEAD.encode() + b'"\n",' * 30_000_000, "unreadable_line", "Line 2", task=CLASSES
    ),
    "one line of megabytes": text("x" * 4_100_000, "line_too_long", "Line 1"),
    "a value of megabytes": text(f"{GOOD}1,{'x' * 140_000},a\n", "unreadable_line", "131,072"),
    "ten thousand columns": text(
        (",".join(f"c{n}" for n in range(10_000)) + "\n") * 3, "too_many_columns", "10,000 columns"
    ),
    "two thousand columns of long categories": Case(wide, task=CLASSES),
    "one column": text("width\n1\n2\n", "one_column", "“width”"),
    "no header": text("1,2,3\n4,5,6\n", "no_header", "Line 1"),
    "a header alone": text(HEAD, "too_few_classes", "no labels"),
    "blank lines": text("\n" * 500, "empty_table", "no lines"),
    "no bytes": raw(b"", "empty_file", "0 bytes"),
    "zero bytes": raw(bytes(5000), "not_text", "zero bytes"),
    "a zero byte in the middle": raw(GOOD.encode() + b"1,\0,a\n", "not_text", "zero bytes"),
    "names that are empty or twice": text(f"a,a,,kind\n{ROWS.replace(',', ',9,', 1)}", "ragged_line"),
    "names that are empty or twice, filled": text(
        "a,a,,kind\n" + "".join(f"{n % 7},{n % 5},{n % 3},{'xy'[n % 2]}\n" for n in range(30))
    ),
    "missing values": text(f"{GOOD},,a\nNA,n/a,b\n?,,a\n"),
    "no label in any row": text("a,b,kind\n" + "1,2,\n" * 30, "too_few_classes", "no labels"),
    "one class": text("a,b,kind\n" + "".join(f"{n},2,x\n" for n in range(30)), "too_few_classes", "“x”"),
    "one row in a class": text(f"{GOOD}1,red,c\n", "too_few_samples", "“c” has 1 row and needs 3"),
    "formulas": text(HEAD + "".join(f"{n / 7:.2f},{FORMULAS[n % 4]},{'ab'[n // 4 % 2]}\n" for n in range(32))),
    "formulas as labels": text(
        HEAD + "".join(f"{n / 7:.2f},{n % 5},{['=1+1', '=HYPERLINK(1)'][n % 2]}\n" for n in range(32))
    ),
    "numbers too large for numbers": text(f"{GOOD}1e999,red,a\n-1e999,blue,b\n1e-999,red,a\n"),
    "a quantity too large": text("a,y\n" + "".join(f"{n % 7},{n}\n" for n in range(30)) + "1,1e999\n",
                                 "label_not_a_number", "Line 32", task=QUANTITIES),
    "a quantity of no number": text("a,y\n" + "".join(f"{n % 7},{n}\n" for n in range(30)) + "1,0x1F\n",
                                    "label_not_a_number", "“0x1F”", task=QUANTITIES),
    "thousands with separators": text("a;y\n" + "".join(f"{n % 7};1,{n:03},500\n" for n in range(30)),
                                      "label_not_a_number", "Line 2", task=QUANTITIES),
    "one quantity": text("a,y\n" + "".join(f"{n % 7},5\n" for n in range(30)), "constant_label", task=QUANTITIES),
    "too few rows": text("a,y\n1,2\n2,3\n", "too_few_samples", "2 usable rows", task=QUANTITIES),
    "UTF-16": text(GOOD.replace("red", "größer"), encoding="utf-16"),
    "UTF-16 without its mark": text(GOOD.replace("red", "größer"), encoding="utf-16-le"),
    "half a UTF-16": Case(lambda: GOOD.encode("utf-16")[:-1], "unknown_encoding", "UTF-8", task=CLASSES),
    "UTF-32": text(GOOD, encoding="utf-32"),
    "Latin-1": text(GOOD.replace("red", "größer"), encoding="latin-1"),
    "UTF-8 with one byte of Latin-1": raw((GOOD.replace("red", "größer")).encode() + "1,grün,a\n".encode("latin-1")),
    "half a letter at the end": raw(GOOD.encode() + b"1,gr\xc3"[:6], "ragged_line", "Line 26"),
    "surrogates": raw(GOOD.encode() + b"1,\xed\xa0\x80,a\n"),
    "every byte": raw(bytes(range(256)) * 40, "not_text"),
    "direction marks": text(GOOD.replace("red", "\u202eder").replace("colour", "\u2066colour")),
    "escapes for terminals": text(GOOD.replace("red", "\x1b[31mred\x1b]0;pwned\x07")),
    "a zip": raw(b"PK\3\4" + bytes(50), "unknown_table", "Excel"),
    "an old workbook": raw(b"\xd0\xcf\x11\xe0" + bytes(50), "unknown_table", "Excel"),
    "a PDF": raw(b"%PDF-1.7" + bytes(50), "unknown_table", "PDF"),
    "a database": raw(b"SQLite format 3\0" + bytes(50), "unknown_table", "database"),
}  # fmt: skip

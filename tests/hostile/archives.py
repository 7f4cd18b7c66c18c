"""Archives made to leave their folder, to burst, or to be two things at once."""

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from functools import partial

from tests.formats.build import class_folders, picture, tarred, zipped
from tests.hostile.case import Case

MIB = 1024 * 1024
GOOD = class_folders("cat", "dog")
LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")

# --- names ----------------------------------------------------------------------------------------------------------

NAMES = {
    "../../evil.png": "unsafe_name",
    "cat/../../evil.png": "unsafe_name",
    "cat/..": "unsafe_name",
    "..\\evil.png": "unsafe_name",
    "cat\\..\\..\\evil.png": "unsafe_name",
    "/etc/passwd": "absolute_name",
    "//server/share/x.png": "absolute_name",
    "C:\\x.png": "absolute_name",
    "c:/x.png": "absolute_name",
    "C:x.png": "absolute_name",
    "\\\\server\\share\\x.png": "absolute_name",
    "\\\\?\\C:\\x.png": "absolute_name",
    "a/" * 40 + "x.png": "name_too_long",
    "a" * 2000: "name_too_long",
    "cat//0.png": "duplicate_name",
    "./cat/0.png": "duplicate_name",
    "cat/0.PNG": "duplicate_name",
    "CAT/0.png": "duplicate_name",
    "cat/0.png.": "duplicate_name",
    "cat /0.png": "duplicate_name",
}


def named(name: str, pack: Callable[[dict[str, bytes]], bytes]) -> bytes:
    return pack(GOOD | {name: picture(99)})


def twin_normal_forms() -> bytes:
    name = "cat/Käse.png"
    return zipped(
        GOOD | {unicodedata.normalize(form, name): picture(n) for n, form in enumerate(["NFC", "NFD"], 90)}
    )


def raw_name(name: bytes, flags: int) -> bytes:
    """A zip with one more file whose name is these bytes, said to be of this encoding."""

    class Raw(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's own name
            return name, flags

    return zipped([*GOOD.items(), (Raw("x"), picture(99))])


# --- links ----------------------------------------------------------------------------------------------------------


def linked(kind: bytes, **more: object) -> bytes:
    info = tarfile.TarInfo("cat/link.png")
    info.type = kind
    info.linkname = "/etc/passwd"
    for name, value in more.items():
        setattr(info, name, value)
    return tarred(GOOD, extra=[info])


def linked_zip(mode: int) -> bytes:
    info = zipfile.ZipInfo("cat/link.png")
    info.external_attr = (mode | 0o777) << 16
    return zipped([*GOOD.items(), (info, b"/etc/passwd")])


def sparse() -> bytes:
    """A file of nine gigabytes that takes no room in the archive."""
    headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": str(9 * 2**30)}
    return linked(tarfile.REGTYPE, linkname="", pax_headers={**headers, "GNU.sparse.map": f"{9 * 2**30},0"})


# --- bombs ----------------------------------------------------------------------------------------------------------


def record(name: bytes, packed: bytes, size: int, crc: int) -> bytes:
    return LOCAL.pack(b"PK\3\4", 20, 0, 8, 0, 33, crc, len(packed), size, len(name), 0) + name + packed


def entry(name: bytes, packed: int, size: int, crc: int, at: int) -> bytes:
    return (
        CENTRAL.pack(b"PK\1\2", 20, 20, 0, 8, 0, 33, crc, packed, size, len(name), 0, 0, 0, 0, 0, at) + name
    )


def with_directory(body: bytes, entries: list[bytes]) -> bytes:
    directory = b"".join(entries)
    count = min(len(entries), 0xFFFF)
    ending = b""
    if len(entries) > count:
        at = len(body) + len(directory)
        ending = END64.pack(
            b"PK\6\6", 44, 45, 45, 0, 0, len(entries), len(entries), len(directory), len(body)
        )
        ending += LOCATOR.pack(b"PK\6\7", 0, at, 1)
    return body + directory + ending + END.pack(b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)


def overlapping() -> bytes:
    """Thirty files that share one stream of a megabyte of zeros: too little to be noticed by its ratio."""
    plain = bytes(MIB)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(plain) + packer.flush()
    crc = zlib.crc32(plain)
    good = zipped(GOOD)
    body = record(b"cat/z00.png", packed, MIB, crc)
    entries = [entry(b"cat/z%02d.png" % n, len(packed), MIB, crc, 0) for n in range(30)]
    for info in zipfile.ZipFile(io.BytesIO(good)).infolist():
        start = info.header_offset
        entries.append(entry(info.filename.encode(), info.compress_size, info.file_size, info.CRC, len(body)))
        body += good[start : start + 30 + len(info.filename) + info.compress_size]
    return with_directory(body, entries)


def many_zip() -> bytes:
    body = record(b"x", b"\3\0", 0, 0)
    return with_directory(body, [entry(b"%d" % n, 2, 0, 0, 0) for n in range(200_001)])


def many_tar() -> bytes:
    return gzip.compress(tarfile.TarInfo("cat/x.png").tobuf() * 200_001, 1)


def zeros(pack: Callable[[dict[str, bytes]], bytes]) -> bytes:
    return pack(GOOD | {"cat/zeros.bmp": bytes(300 * MIB)})


def bombs_in_pictures() -> bytes:
    """Each smaller than the largest picture, together far more than the ratio allows."""
    return zipped(GOOD | {f"cat/{n}.bmp": bytes(60 * MIB) for n in range(5)})


def nested() -> bytes:
    inner = zipped({"x.bmp": bytes(20 * MIB)})
    for _ in range(6):
        inner = zipped({f"{n}.zip": inner for n in range(10)})
    return zipped(GOOD | {"cat/42.zip": inner, "cat/tar.tar.gz": tarred(GOOD, "w:gz")})


def claimed(offset: int, kind: str, value: int, mark: bytes = b"PK\1\2") -> bytes:
    """A zip whose last record of this kind claims something else."""
    data = bytearray(zipped(GOOD | {"cat/liar.png": picture(99)}))
    struct.pack_into(kind, data, data.rfind(mark) + offset, value)
    return bytes(data)


def zip64_lie() -> bytes:
    """A zip64 end that claims a directory of a terabyte, behind an old end that claims little."""
    data = zipped(GOOD)
    at = data.rfind(b"PK\5\6")
    ending = END64.pack(b"PK\6\6", 44, 45, 45, 0, 0, 8, 8, 2**40, 0) + LOCATOR.pack(b"PK\6\7", 0, at, 1)
    return data[:at] + ending + data[at:]


def zip64_size_lie() -> bytes:
    """A file that claims an exabyte in its zip64 field."""
    extra = struct.pack("<2HQ", 1, 8, 2**60)
    name = b"cat/liar.png"
    head = CENTRAL.pack(
        b"PK\1\2", 45, 45, 0, 0, 0, 33, 0, 4, 0xFFFFFFFF, len(name), len(extra), 0, 0, 0, 0, 0
    )
    return with_directory(record(name, b"liar", 4, 0), [head + name + extra])


def liar(pack_size: int) -> bytes:
    """Unpacks to two megabytes, and claims so many bytes."""
    data = bytearray(zipped(GOOD | {"cat/liar.png": bytes(2 * MIB)}))
    struct.pack_into("<L", data, data.rfind(b"PK\1\2") + 24, pack_size)
    return bytes(data)


def other_method(method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in GOOD.items():
            archive.writestr(name, data)
    return file.getvalue()


def encrypted() -> bytes:
    data = bytearray(zipped(GOOD))
    for at in range(len(data)):
        if data[at : at + 4] == b"PK\3\4":
            data[at + 6] |= 1
        if data[at : at + 4] == b"PK\1\2":
            data[at + 8] |= 1
    return bytes(data)


def header_of(kind: bytes, body: bytes) -> bytes:
    info = tarfile.TarInfo("././@Header")
    info.type, info.size = kind, len(body)
    return info.tobuf(tarfile.GNU_FORMAT) + body + bytes(-len(body) % 512)


def behind(*headers: bytes) -> bytes:
    return gzip.compress(b"".join(headers) + tarred(GOOD), 1)


def claimed_header() -> bytes:
    """A header that claims eight gigabytes of itself."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**33
    return behind(info.tobuf(tarfile.GNU_FORMAT))


def long_gzip_name() -> bytes:
    return b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * (2 * MIB) + b"\0" + gzip.compress(tarred(GOOD))[10:]


def many_gzips() -> bytes:
    return gzip.compress(b"", 1) * 20_000 + tarred(GOOD, "w:gz")


# --- the list -------------------------------------------------------------------------------------------------------

PACKED: dict[str, Callable[[dict[str, bytes]], bytes]] = {"zip": zipped, "tar": tarred}
CASES: dict[str, Case] = {
    f"{name[:30]!r} in a {kind}": Case(partial(named, name, pack), code)
    for name, code in NAMES.items()
    for kind, pack in PACKED.items()
}
CASES |= {
    "twins of two normal forms": Case(twin_normal_forms, "duplicate_name", "Käse"),
    "a name that is no UTF-8 and says it is": Case(
        partial(raw_name, b"cat/\xff\xfe.png", 0x800), "damaged_archive"
    ),
    "a name of an old code page": Case(partial(raw_name, b"cat/\x84\x94.png", 0)),
    "a name of UTF-8 that does not say so": Case(partial(raw_name, "cat/größe.png".encode(), 0)),
    "a name with a zero byte": Case(partial(raw_name, b"cat/x.png\0.exe", 0)),
    "a name of control characters": Case(partial(raw_name, b"cat/\x1b[31m\r\n\x07.png", 0)),
    "a name of direction marks": Case(
        partial(raw_name, "cat/\u202egnp.exe".encode(), 0x800), skips={"cat/gnp.exe": "no picture"}
    ),
    "an empty name": Case(partial(raw_name, b"", 0)),
    "a symbolic link": Case(partial(linked, tarfile.SYMTYPE), "link_in_archive", "“cat/link.png”"),
    "a symbolic link outwards": Case(partial(linked, tarfile.SYMTYPE, linkname="../../x"), "link_in_archive"),
    "a hard link": Case(partial(linked, tarfile.LNKTYPE), "link_in_archive"),
    "a device": Case(partial(linked, tarfile.CHRTYPE), "link_in_archive"),
    "a disk": Case(partial(linked, tarfile.BLKTYPE), "link_in_archive"),
    "a pipe": Case(partial(linked, tarfile.FIFOTYPE), "link_in_archive"),
    "a contiguous file": Case(
        partial(linked, tarfile.CONTTYPE, linkname=""), skips={"cat/link.png": "empty"}
    ),
    "a link by a long header": Case(partial(linked, tarfile.SYMTYPE, linkname="x" * 300), "link_in_archive"),
    "a symbolic link in a zip": Case(partial(linked_zip, stat.S_IFLNK), "link_in_archive"),
    "a pipe in a zip": Case(partial(linked_zip, stat.S_IFIFO), "link_in_archive"),
    "a sparse file": Case(sparse, "link_in_archive", "sparse"),
    "zeros in a zip": Case(partial(zeros, zipped), "archive_bomb", "300 MiB"),
    "zeros in a tar.gz": Case(partial(zeros, partial(tarred, mode="w:gz")), "archive_bomb"),
    "many pictures of zeros": Case(bombs_in_pictures, "archive_bomb"),
    "too many files in a zip": Case(many_zip, "too_many_files", "200,000"),
    "too many files in a tar.gz": Case(many_tar, "too_many_files", "200,000"),
    "archives in archives": Case(
        nested, skips={"cat/42.zip": "unpack it first", "cat/tar.tar.gz": "unpack it first"}
    ),
    "nothing but archives": Case(
        lambda: zipped({"a.zip": zipped(GOOD), "b.tar": tarred(GOOD)}), "no_pictures"
    ),
    "files that share their bytes": Case(overlapping, "archive_bomb", "another file"),
    "a file that claims less than it holds": Case(partial(liar, 500), skips={"cat/liar.png": "damaged"}),
    "a file that claims more than it holds": Case(partial(liar, 9 * MIB), skips={"cat/liar.png": "damaged"}),
    "a file that claims four gigabytes": Case(partial(liar, 2**32 - 2), "archive_bomb"),
    "a file that claims an exabyte": Case(zip64_size_lie, "archive_bomb"),
    "a file whose bytes start elsewhere": Case(
        partial(claimed, 42, "<L", 2**31), skips={"cat/liar.png": "damaged"}
    ),
    "a file with a wrong sum": Case(partial(claimed, 16, "<L", 7), skips={"cat/liar.png": "damaged"}),
    "a directory that claims to be elsewhere": Case(
        partial(claimed, 16, "<L", 2**31, b"PK\5\6"), "damaged_archive"
    ),
    "a directory that claims to be giant": Case(
        partial(claimed, 12, "<L", 2**31, b"PK\5\6"), "too_many_files"
    ),
    "a zip64 end that claims a terabyte": Case(zip64_lie, "too_many_files"),
    "a comment that is cut off": Case(partial(claimed, 20, "<H", 65535, b"PK\5\6")),
    "bzip2 in a zip": Case(partial(other_method, zipfile.ZIP_BZIP2), "unknown_compression", "ordinary zip"),
    "LZMA in a zip": Case(partial(other_method, zipfile.ZIP_LZMA), "unknown_compression", "ordinary zip"),
    "a password": Case(encrypted, "encrypted_archive", "password"),
    "a header without end": Case(lambda: behind(header_of(b"L", b"a" * MIB)), "damaged_archive", "header"),
    "attributes without end": Case(
        lambda: behind(header_of(b"x", b"9 a=bcde\n" * 99_999)), "damaged_archive"
    ),
    "attributes for all, without end": Case(
        lambda: behind(*[header_of(b"g", b"9 a=bcde\n")] * 999), "damaged_archive"
    ),
    "an attribute of digits": Case(lambda: behind(header_of(b"x", b"1" * 60_000)), "damaged_archive"),
    "an attribute that names another file": Case(
        lambda: behind(header_of(b"x", b"20 path=../evil.png\n")), "unsafe_name", "“../evil.png”"
    ),
    "a header that claims eight gigabytes": Case(claimed_header, "damaged_archive"),
    "a hundred headers behind each other": Case(lambda: behind(*[header_of(b"x", b"")] * 100)),
    "a gzip with a name of megabytes": Case(long_gzip_name),
    "a gzip of thousands of empty ones": Case(many_gzips),
    "a gzip of gzips": Case(lambda: gzip.compress(tarred(GOOD, "w:gz")), "damaged_archive"),
    "a gzip of no tar": Case(lambda: gzip.compress(b"hello" * 500), "damaged_archive"),
    "half a zip": Case(lambda: zipped(GOOD)[:-200], "damaged_archive"),
    "the start of a zip": Case(lambda: zipped(GOOD)[:100], "damaged_archive"),
    "half a tar": Case(lambda: tarred(GOOD)[:5000], "damaged_archive"),
    "half a tar.gz": Case(lambda: tarred(GOOD, "w:gz")[:-300], "damaged_archive"),
    "a gzip with a wrong sum": Case(lambda: tarred(GOOD, "w:gz")[:-8] + b"12345678", "damaged_archive"),
    "no bytes at all": Case(lambda: b"", "empty_file", "0 bytes"),
    "zero bytes": Case(lambda: bytes(4096), "unknown_archive"),
    "an empty zip": Case(lambda: zipped({}), "no_pictures"),
    "a tar of no files": Case(lambda: tarred({}), "unknown_archive"),
    "a program that is also a zip": Case(lambda: b"MZ" + bytes(500) + zipped(GOOD), "unknown_archive"),
    "a picture that is also a zip": Case(lambda: picture(1) + zipped(GOOD), "unknown_archive", "single PNG"),
    "a 7z": Case(lambda: b"7z\xbc\xaf\x27\x1c" + bytes(100), "unknown_archive", "7z"),
    "a RAR": Case(lambda: b"Rar!\x1a\x07\x01\0" + bytes(100), "unknown_archive", "RAR"),
    "a tar.bz2": Case(lambda: bz2.compress(tarred(GOOD)), "unknown_archive", "bzip2"),
    "a tar.xz": Case(lambda: lzma.compress(tarred(GOOD)), "unknown_archive", "xz"),
    "one class": Case(lambda: zipped(class_folders("cat")), "too_few_classes", "“cat”"),
    "one picture in a class": Case(
        lambda: zipped(GOOD | {"owl/0.png": picture(77)}), "too_few_samples", "“owl”"
    ),
    "the same picture in a class": Case(
        lambda: zipped(GOOD | {f"owl/{n}.png": picture(77) for n in range(9)}),
        "too_few_samples",
        "“owl” has 1",
    ),
    "no class": Case(lambda: zipped({f"{n}.png": picture(n) for n in range(9)}), "no_labels", "labels.csv"),
    "a class for each picture": Case(
        lambda: zipped({f"{n}/x.png": picture(n % 250) for n in range(1001)}), "too_many_classes", "1,001"
    ),
    "a label of hundreds of letters": Case(
        lambda: zipped(GOOD | {f"{'x' * 150}/{n}.png": picture(90 + n) for n in range(4)}), "label_too_long"
    ),
    "a ragged file of labels": Case(
        lambda: zipped(
            {f"{n}.png": picture(n) for n in range(4)} | {"l.csv": b"file,label\n0.png,a\n1.png\n"}
        ),
        "ragged_line",
        "line 3",
    ),
    "a file of labels that contradicts itself": Case(
        lambda: zipped(
            {f"{n}.png": picture(n) for n in range(4)} | {"l.csv": b"file,label\n0.png,a\n1.png,b\n0.png,b\n"}
        ),
        "contradicting_labels",
        "line 4",
    ),
}

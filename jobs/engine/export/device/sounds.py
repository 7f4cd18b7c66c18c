"""From WAV files to rows of samples at a model's rate, mono, -1..1. Python 3.9 or newer, numpy.

Raises ValueError with a sentence, or OSError, for what cannot be read.
"""

# imports for types cost nothing here
from __future__ import annotations

import functools
import io
import math
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Tuple

import numpy as np

# RIFF and its `fmt ` chunk: Microsoft, "Multimedia Programming Interface and Data Specifications 1.0" (1991) and
# WAVEFORMATEXTENSIBLE; RF64: EBU Tech 3306.
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
NAMES = {
    2: "ADPCM of Microsoft", 6: "A-law", 7: "µ-law", 0x11: "ADPCM of IMA", 0x31: "GSM 6.10", 0x50: "MPEG",
    0x55: "MP3", 0xFF: "AAC",
}  # fmt: skip
PARTS = {
    (PCM, 8): "u1",
    (PCM, 16): "<i2",
    (PCM, 24): "u1",
    (PCM, 32): "<i4",
    (FLOAT, 32): "<f4",
    (FLOAT, 64): "<f8",
}
SUBFORMAT = bytes.fromhex("000000001000800000aa00389b71")  # the end of the GUIDs that begin with such a tag
WHOLE = (0, 0xFFFFFFFF)  # sizes that were never filled in, as of what comes through a pipe
EMPTY = "is empty: there are no samples in it"
MOST_CHANNELS, MOST_HZ, LOUDEST = 64, 1_000_000, 1e30

# Resampling: a sinc under a Kaiser window (Kaiser and Schafer 1980, IEEE Trans. ASSP 28, 105-107), symmetric and
# therefore of linear phase; J. O. Smith's "Digital Audio Resampling" has the method. `ZEROS` crossings to either side,
# 90 dB down from the lower of the two Nyquist frequencies on, flat up to 0.82 of it.
ZEROS, BETA, CUTOFF = 32, 9.0, 0.91
VALUES = 500_000  # samples times weights at once


class Sound(NamedTuple):
    """An open WAV file: its samples begin at byte `start`, `frames` of `channels` each."""

    stream: BinaryIO
    start: int
    frames: int
    channels: int
    rate: int
    tag: int
    bits: int

    def mono(self, first: int, count: int) -> Any:
        """`count` samples (float64) from `first` on, the mean of the channels; zeros before and behind the sound."""
        found = np.zeros(count)
        low, high = max(first, 0), min(first + count, self.frames)
        if low < high:
            self.stream.seek(self.start + low * self.channels * self.bits // 8)
            data = self.stream.read((high - low) * self.channels * self.bits // 8)
            found[low - first : high - first] = self.values(data).reshape(-1, self.channels).mean(axis=1)
        if not (abs(found) < LOUDEST).all():  # also when it is NaN
            raise ValueError("holds samples that are no numbers")
        return found

    def values(self, data: bytes) -> Any:
        """Samples as numbers: integers as parts of the largest, -1 <= x < 1; floats as they are."""
        raw: Any = np.frombuffer(data, PARTS[self.tag, self.bits])
        if self.tag == FLOAT:
            return raw.astype(np.float64)
        if self.bits == 8:  # noqa: PLR2004 - alone of all it has no sign
            return (raw.astype(np.float64) - 128) / 128
        if self.bits == 24:  # noqa: PLR2004 - which no processor has: the upper three bytes of four
            wide = np.zeros((len(raw) // 3, 4), np.uint8)
            wide[:, 1:] = raw.reshape(-1, 3)
            return wide.view("<i4")[:, 0] / 2.0**31
        return raw / 2.0 ** (self.bits - 1)


def windows(path: Path, spec: dict[str, Any]) -> Iterator[Tuple[str, Any, float]]:
    """Each (name, float32 (1, samples), seconds from the start): windows of the model's length, one behind the other.

    A last one that is at least half full, or the only one, is filled up with zeros. The name is the file's, with
    `@seconds` behind it where there are several.
    """
    count, wanted = spec["samples"], spec["rate_hz"]
    with path.open("rb") as opened:
        sound = wav(opened if opened.seekable() else io.BytesIO(opened.read()))
        read = at_rate(sound, wanted)
        whole, rest = divmod(-(-sound.frames * wanted // sound.rate), count)
        many = whole + (2 * rest >= count or not whole)
        digits = max(2, math.ceil(-math.log10(count / wanted)))
        for number in range(many):
            seconds = number * count / wanted
            name = f"{path}@{seconds:.{digits}f}s" if many > 1 else str(path)
            yield name, read(number * count, count).astype(np.float32)[None], round(seconds, 6)


# --- the file -----------------------------------------------------------------------------------------------


def wav(stream: BinaryIO) -> Sound:
    """A file whose samples can be read. ValueError says why they can't."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    head = stream.read(12)
    if not head:
        raise ValueError(EMPTY)
    if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
        raise ValueError("not a WAV file")
    told, form = 0, b""
    while True:
        name, long = struct.unpack("<4sI", stream.read(8).ljust(8, b"\0"))
        start = stream.tell()
        if start >= size or name == b"data":
            break
        if name == b"ds64":
            told = struct.unpack("<8xQ", stream.read(16).ljust(16, b"\0"))[0]
        elif name == b"fmt ":
            form = stream.read(min(long, 40))
        stream.seek(start + long + long % 2)  # chunks begin at even places
    if not form and name == b"data":
        raise ValueError("does not say how its samples are written (no “fmt ” chunk before them)")
    left = max(0, size - start) if name == b"data" else 0
    tag, channels, rate, bits = encoding(form)
    if long in WHOLE and not begins_chunk(stream.read(8), left):
        long = told or left
    frames = min(long, left) // (channels * bits // 8)
    if not frames:
        raise ValueError(EMPTY)
    return Sound(stream, start, frames, channels, rate, tag, bits)


def begins_chunk(start: bytes, left: int) -> bool:
    """Whether what follows an empty chunk is another one, not samples whose number nobody wrote down."""
    return (
        len(start) == 8  # noqa: PLR2004 - a name and a size
        and all(0x20 <= letter < 0x7F for letter in start[:4])  # noqa: PLR2004 - printable
        and int.from_bytes(start[4:], "little") <= left
    )


def encoding(form: bytes) -> Tuple[int, int, int, int]:
    """Tag, channels, rate in Hz and bits of a sample, of a `fmt ` chunk. ValueError for what is not read."""
    if len(form) < 16:  # noqa: PLR2004 - the shortest there is
        raise ValueError("is cut off before its samples")
    tag, channels, rate, _, block, bits = struct.unpack("<HHIIHH", form[:16])
    if tag == EXTENSIBLE and form[26:40] == SUBFORMAT:
        tag = int.from_bytes(form[24:26], "little")
    width = 8 * ((bits + 7) // 8)  # of 12 bits and such: the upper ones of the next whole bytes
    if (tag, width) not in PARTS:
        raise ValueError(
            f"its encoding is not read here: {NAMES.get(tag, 'an unknown one')} (tag {tag}), {bits} bits. PCM of 8, "
            "16, 24 and 32 bits is, and floats of 32 and 64 (ffmpeg -i FILE -c:a pcm_s16le NEW.wav)"
        )
    if not 1 <= channels <= MOST_CHANNELS or not 1 <= rate <= MOST_HZ or block != channels * width // 8:
        raise ValueError(
            f"its header makes no sense: {channels} channels, {rate} Hz, {bits} bits, blocks of {block} bytes"
        )
    return tag, channels, rate, width


# --- another rate -------------------------------------------------------------------------------------------


def at_rate(sound: Sound, wanted: int) -> Callable[[int, int], Any]:
    """What reads (first, count) samples of the sound as if it had been recorded at `wanted` Hz."""
    if sound.rate == wanted:
        return sound.mono
    return lambda first, count: resampled(sound.mono, sound.rate, wanted, first, count)


def resampled(read: Callable[[int, int], Any], rate: int, wanted: int, first: int, count: int) -> Any:
    """`count` samples at `wanted` Hz from number `first` on, of what `read` gives at `rate` Hz.

    Sample n lies at the time n / wanted, as in the sound: nothing is delayed. Each is worked out alone, so that windows
    fit together without a seam.
    """
    common = math.gcd(rate, wanted)
    up, down = wanted // common, rate // common
    scale = CUTOFF * min(1.0, up / down)  # zero crossings in a sample of the sound
    half = math.ceil(ZEROS / scale) + 1
    found = np.zeros(count)
    size = max(1, VALUES // (2 * half))
    for at in range(0, count, size):
        places = np.arange(first + at, first + min(at + size, count), dtype=np.int64) * down
        whole, phase = places // up, places % up
        low = int(whole[0]) - half + 1
        given = read(low, int(whole[-1]) + half + 1 - low)
        phases, which = np.unique(phase, return_inverse=True)
        table = weights(tuple(phases.tolist()), up, scale, half)
        taken = given[(whole - half + 1 - low)[:, None] + np.arange(2 * half)]
        found[at : at + size] = np.einsum("ij,ij->i", taken, table[which])
    return found


@functools.lru_cache(maxsize=4)
def weights(phases: Tuple[int, ...], up: int, scale: float, half: int) -> Any:
    """Those of the 2 `half` samples around each place, phases / up behind a sample; each row adds up to one."""
    away = (np.arange(1 - half, half + 1) - np.array(phases)[:, None] / up) * scale
    window = np.i0(BETA * np.sqrt(np.clip(1 - (away / ZEROS) ** 2, 0, None))) * (abs(away) <= ZEROS)
    found = np.sinc(away) * window
    return found / found.sum(axis=1, keepdims=True)

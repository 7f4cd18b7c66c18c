"""WAV files become rows of samples on the board: every encoding, broken and odd files, other rates, windows."""

import contextlib
import io
import os
import re
import runpy
import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from jobs.engine.export import device

sounds = runpy.run_path(str(Path(device.__file__).parent / "sounds.py"))
trouble = runpy.run_path(str(Path(device.__file__).parent / "trouble.py"))
RATE = 8000
TAIL = bytes.fromhex("000000001000800000aa00389b71")


def fmt(tag: int, channels: int, bits: int, rate: int = RATE, more: bytes = b"") -> bytes:
    block = channels * ((bits + 7) // 8)
    return struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + more


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    told = struct.pack("<I", len(content) if size is None else size)
    return name + told + content + b"\0" * (len(content) % 2)


def riff(*chunks: bytes, form: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return form + struct.pack("<I", len(body)) + body


def plain(data: bytes, **more: Any) -> bytes:
    return riff(chunk(b"fmt ", fmt(1, 1, 16, **more)), chunk(b"data", data))


def heard(content: bytes) -> Any:
    """All samples of a file, mono."""
    sound = sounds["wav"](io.BytesIO(content))
    return sound.mono(0, sound.frames)


def numbers(data: bytes, width: int, channels: int) -> Any:
    """The same by the definition, a sample at a time."""
    values = []
    for at in range(0, len(data) // (width * channels) * width * channels, width):
        part = data[at : at + width]
        signed = part[0] - 128 if width == 1 else int.from_bytes(part, "little", signed=True)
        values.append(signed / 2 ** (8 * width - 1))
    return np.array(values).reshape(-1, channels).mean(axis=1)


@given(
    width=st.integers(1, 4), channels=st.integers(1, 5), data=st.binary(min_size=20, max_size=200),
    before=st.binary(max_size=7), extensible=st.booleans(),
)  # fmt: skip
def test_integers_of_every_width(
    width: int, channels: int, data: bytes, before: bytes, extensible: bool
) -> None:
    data = data[: len(data) // (width * channels) * width * channels]
    form = fmt(1, channels, 8 * width)
    if extensible:
        more = struct.pack("<HHIH", 22, 8 * width, 0, 1) + TAIL
        form = fmt(0xFFFE, channels, 8 * width, more=more)
    content = riff(
        chunk(b"LIST", before),
        chunk(b"fmt ", form),
        chunk(b"junk", before),
        chunk(b"data", data),
        chunk(b"id3 ", b"xyz"),
    )
    np.testing.assert_array_equal(heard(content), numbers(data, width, channels))
    if not extensible:  # as Python's own reader sees it
        with wave.open(io.BytesIO(content)) as known:
            assert (known.getsampwidth(), known.getnchannels()) == (width, channels)
            assert known.readframes(known.getnframes()) == data


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("bits", [32, 64])
def test_floats_are_taken_as_they_are(bits: int, extensible: bool) -> None:
    wanted = np.array([0.0, -1.0, 0.25, 1.5, -2.0, 1e-9], f"<f{bits // 8}")
    form = fmt(3, 2, bits)
    if extensible:
        form = fmt(0xFFFE, 2, bits, more=struct.pack("<HHIH", 22, bits, 3, 3) + TAIL)
    found = heard(riff(chunk(b"fmt ", form), chunk(b"data", wanted.tobytes())))
    np.testing.assert_array_equal(found, wanted.astype(float).reshape(-1, 2).mean(axis=1))


def test_twelve_bits_are_the_upper_ones_of_sixteen() -> None:
    data = struct.pack("<hh", 0x7FF0, -0x8000)
    assert list(heard(riff(chunk(b"fmt ", fmt(1, 1, 12)), chunk(b"data", data)))) == [0x7FF / 0x800, -1]


SAMPLES = struct.pack("<6h", 0, 100, -100, 200, -200, 300)
SIX = np.array([0, 100, -100, 200, -200, 300]) / 2**15
FORM = chunk(b"fmt ", fmt(1, 1, 16))


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (riff(FORM, chunk(b"data", SAMPLES)), 6),
        (riff(FORM, chunk(b"data", SAMPLES, 0)), 6),  # a recorder that was killed
        (riff(FORM, chunk(b"data", SAMPLES, 0xFFFFFFFF)), 6),  # ffmpeg into a pipe
        (riff(FORM, chunk(b"data", SAMPLES, 0x7FFFF000)), 6),  # sox into one
        (riff(FORM, chunk(b"data", SAMPLES))[:-3], 4),  # cut off in the middle of a sample
        (riff(FORM, chunk(b"data", SAMPLES + b"\x01")), 6),
        (riff(chunk(b"ds64", struct.pack("<QQQI", 99, 8, 4, 0)), FORM, chunk(b"data", SAMPLES, 0xFFFFFFFF),
              form=b"RF64"), 4),
        (riff(FORM, chunk(b"data", SAMPLES), form=b"BW64"), 6),
    ],
)  # fmt: skip
def test_sizes_that_are_not_what_is_there(content: bytes, count: int) -> None:
    np.testing.assert_array_equal(heard(content), SIX[:count])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"RIFF", "not a WAV"),
        (b"RIFX" + bytes(4) + b"WAVE", "not a WAV"),
        (b"RIFF\x04\0\0\0WAVE", "cut off before its samples"),
        (riff(FORM)[:30], "cut off before its samples"),
        (riff(FORM), "is empty"),
        (riff(FORM, chunk(b"data", b"")), "is empty"),
        (riff(FORM, chunk(b"data", b"\x01")), "is empty"),
        (riff(FORM, chunk(b"data", b""), chunk(b"LIST", b"words")), "is empty"),
        (riff(chunk(b"data", SAMPLES), FORM), "does not say how its samples are written"),
        (riff(chunk(b"fmt ", fmt(7, 1, 8)), chunk(b"data", SAMPLES)), "µ-law (tag 7), 8 bits"),
        (riff(chunk(b"fmt ", fmt(2, 1, 4)), chunk(b"data", SAMPLES)), "ADPCM of Microsoft (tag 2)"),
        (riff(chunk(b"fmt ", fmt(0x999, 1, 16)), chunk(b"data", SAMPLES)), "an unknown one (tag 2457)"),
        (riff(chunk(b"fmt ", fmt(1, 1, 64)), chunk(b"data", SAMPLES)), "(tag 1), 64 bits"),
        (riff(chunk(b"fmt ", fmt(0xFFFE, 1, 16, more=bytes(24))), chunk(b"data", SAMPLES)), "(tag 65534)"),
        (riff(chunk(b"fmt ", fmt(1, 0, 16)), chunk(b"data", SAMPLES)), "makes no sense: 0 channels"),
        (riff(chunk(b"fmt ", fmt(1, 65, 16)), chunk(b"data", SAMPLES)), "65 channels"),
        (riff(chunk(b"fmt ", fmt(1, 1, 16, 0)), chunk(b"data", SAMPLES)), "0 Hz"),
        (riff(chunk(b"fmt ", fmt(1, 1, 16)[:12] + b"\x04\0\x10\0"), chunk(b"data", SAMPLES)), "blocks of 4 bytes"),
        (riff(chunk(b"fmt ", fmt(3, 1, 32)), chunk(b"data", struct.pack("<ff", 0, np.nan))), "no numbers"),
        (riff(chunk(b"fmt ", fmt(3, 1, 64)), chunk(b"data", struct.pack("<dd", 0, 1e300))), "no numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        heard(content)


@given(st.binary(max_size=120), st.integers(0, 60))
def test_nothing_else_comes_of_nonsense(noise: bytes, at: int) -> None:
    content = bytearray(plain(SAMPLES))
    content[at : at + len(noise)] = noise
    with contextlib.suppress(ValueError):
        assert len(heard(bytes(content)))


# --- another rate ---------------------------------------------------------------------------------------------


def reader(x: Any) -> Any:
    return lambda first, count: np.array(
        [x[n] if 0 <= n < len(x) else 0.0 for n in range(first, first + count)]
    )


def at_rate(x: Any, rate: int, wanted: int) -> Any:
    return sounds["resampled"](reader(x), rate, wanted, 0, -(-len(x) * wanted // rate))


RATES = [
    (44_100, 16_000),
    (48_000, 16_000),
    (8_000, 16_000),
    (22_050, 8_000),
    (11_025, 16_000),
    (16_000, 15_999),
]


@pytest.mark.parametrize(("rate", "wanted"), RATES)
def test_a_tone_stays_where_it_is_and_what_is_too_high_is_gone(rate: int, wanted: int) -> None:
    """Below 0.82 of the lower Nyquist frequency nothing changes, no delay either; from there on 90 dB are missing."""
    seconds, lower = 0.25, min(rate, wanted) / 2
    inside = slice(wanted // 20, int(seconds * wanted) - wanted // 20)
    for part in (0.0, 0.1, 0.5, 0.82, 1.0, 1.2):
        if part * lower > rate / 2:
            continue
        turns = 2 * np.pi * part * lower
        found = at_rate(np.cos(turns * np.arange(int(seconds * rate)) / rate + 1), rate, wanted)[inside]
        wish = np.cos(turns * np.arange(int(seconds * wanted)) / wanted + 1)[inside]
        if part < 1:
            assert abs(found - wish).max() < 5e-5, part
        elif part * lower < rate / 2:
            assert abs(found).max() < 10 ** (-90 / 20), part


@pytest.mark.parametrize(("rate", "wanted"), RATES[:4])
def test_noise_comes_out_as_from_scipy(rate: int, wanted: int) -> None:
    lower = min(rate, wanted)
    low = signal.firwin(401, 0.7 * lower / rate)
    x = signal.lfilter(low, 1, np.random.default_rng(0).normal(size=rate // 4))
    common = int(np.gcd(rate, wanted))
    up, down = wanted // common, rate // common
    most = max(up, down)
    known = signal.resample_poly(
        x, up, down, window=signal.firwin(2 * 64 * most + 1, 0.91 / most, window=("kaiser", 9.0))
    )
    found = at_rate(x, rate, wanted)
    assert len(found) == len(known)
    inside = slice(wanted // 20, -wanted // 20)
    assert abs(found - known)[inside].max() < 2e-4 * abs(x).max()


def test_pieces_fit_together() -> None:
    """Window after window is worked out alone: the same values as of the whole."""
    x = np.random.default_rng(1).normal(size=4_000)
    read = sounds["resampled"]
    whole = read(reader(x), 11_025, 8_000, 0, 2_900)
    parts = [read(reader(x), 11_025, 8_000, first, 290) for first in range(0, 2_900, 290)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0, atol=1e-12)


# --- windows --------------------------------------------------------------------------------------------------


def of(path: Path, samples: int, rate: int = RATE) -> list[tuple[str, Any, float]]:
    return list(sounds["windows"](path, {"kind": "sound", "samples": samples, "rate_hz": rate}))


@pytest.mark.parametrize(
    ("frames", "starts"),
    [(1, [0]), (99, [0]), (100, [0]), (149, [0]), (150, [0, 100]), (200, [0, 100]), (250, [0, 100, 200])],
)
def test_a_longer_sound_has_windows_and_a_shorter_one_is_filled_up(
    frames: int, starts: list[int], tmp_path: Path
) -> None:
    values = np.arange(1, frames + 1, dtype="<i2")
    (tmp_path / "x.wav").write_bytes(plain(values.tobytes()))
    found = of(tmp_path / "x.wav", 100)
    assert [start for _, _, start in found] == [start / RATE for start in starts]
    several = len(starts) > 1
    names = [f"{tmp_path}/x.wav" + several * f"@{start / RATE:.2f}s" for start in starts]
    assert [name for name, _, _ in found] == names
    filled = np.concatenate([values, np.zeros(100)])
    for start, (_, x, _) in zip(starts, found, strict=True):
        assert (x.shape, x.dtype) == ((1, 100), np.float32)
        np.testing.assert_array_equal(x[0] * 2**15, filled[start : start + 100])


def test_short_windows_have_names_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(plain(bytes(200)))
    names = [name for name, _, _ in of(tmp_path / "x.wav", 10)]
    assert len(set(names)) == len(names) == 10
    assert names[1].endswith("@0.001s")


def test_another_rate_counts_in_its_own_time(tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    (tmp_path / "x.wav").write_bytes(plain((tone * 2**14).astype("<i2").tobytes(), rate=44_100))
    found = of(tmp_path / "x.wav", 4_000)
    assert [start for _, _, start in found] == [0, 0.5]
    wanted = np.sin(2 * np.pi * 440 * np.arange(8_000) / 8_000) / 2
    joined = np.concatenate([x[0] for _, x, _ in found])
    assert abs(joined - wanted)[100:-100].max() < 2e-4


def test_a_pipe_is_read_to_its_end() -> None:
    read, write = os.pipe()
    os.write(write, riff(FORM, chunk(b"data", SAMPLES, 0xFFFFFFFF)))
    os.close(write)
    [(_, x, _)] = of(Path(f"/dev/fd/{read}"), 6)
    os.close(read)
    np.testing.assert_array_equal(x[0], SIX.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a b.mp3", b"\xff\xfb\x90", "-i '{}/a b.mp3' -ac 1 -ar 8000 '{}/a b.wav'"),
        ("x.wav", b"fLaC", "-i {}/x.wav -ac 1 -ar 8000 {}/x-new.wav"),
        ("x.aif", b"FORM\0\0\0\0AIFF", "-ar 8000 {}/x.wav"),
        ("x", b"OggS", "this is not a WAV file. Convert it: ffmpeg"),
        ("x.png", b"\x89PNG\r\n\x1a\n", "this is a picture; this model takes sounds (WAV)."),
        ("x.csv", b"a,b", "this is a table; this model takes sounds (WAV)."),
        ("x.wav", plain(SAMPLES), ""),  # what is wrong with it is known better
        ("x.wav", b"", ""),
        ("x", b"?", ""),
    ],
)
def test_what_is_no_wav_is_called_by_its_name(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    told = trouble["foreign"](tmp_path / name, {"kind": "sound", "rate_hz": RATE})
    assert said.replace("{}", str(tmp_path)) in told
    assert bool(said) == bool(told)

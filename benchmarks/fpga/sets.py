"""What the nets learn: handwritten digits, CIFAR-10 in colour and in grey, and spoken digits as features."""

import io
import wave
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

PICTURES, RECORDINGS = "cifar10-5k.zip", "spoken-digits.zip"
TEST = 1000  # the most that are kept for testing; at least a fifth stays for training

# Keywords as features: 49 frames of 40 ms, 20 ms apart, of ten bands on the mel scale (Zhang et al. 2017,
# arXiv 1711.07128, take ten cepstral coefficients; these are the bands' logarithms).
RATE, FRAME, STEP, FRAMES, BANDS = 8000, 320, 160, 49, 10


@dataclass(frozen=True)
class Samples:
    """float32 inputs (n, …) and labels (n,); test samples are drawn with a fixed seed."""

    train: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test: NDArray[np.float32]
    test_labels: NDArray[np.int64]


def split(inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> Samples:
    order = np.random.default_rng(0).permutation(len(inputs))
    test = min(TEST, len(inputs) // 5)
    rest = order[test:]
    return Samples(inputs[rest], labels[rest], inputs[order[:test]], labels[order[:test]])


def digits(_folder: Path) -> Samples:
    """8 × 8 in grey, 0 to 255."""
    found = load_digits()
    return split((found.images[..., None] * 15.9).astype(np.float32), found.target.astype(np.int64))


def pictures(folder: Path) -> Samples:
    """32 × 32 in colour."""
    return _folders(folder / PICTURES, lambda content: np.asarray(Image.open(content).convert("RGB")))


def grey_pictures(folder: Path) -> Samples:
    """28 × 28 in grey."""
    return _folders(
        folder / PICTURES,
        lambda content: np.asarray(Image.open(content).convert("L").resize((28, 28)))[..., None],
    )


def recordings(folder: Path) -> Samples:
    """49 × 10: the logarithms of bands, of the first second."""
    return _folders(folder / RECORDINGS, _features)


def _folders(archive: Path, read: Callable[[io.BytesIO], NDArray[np.generic]]) -> Samples:
    """Files of a zip with a folder for each class."""
    with zipfile.ZipFile(archive) as packed:
        names = sorted(name for name in packed.namelist() if not name.endswith("/") and "/" in name)
        found = [(name.split("/")[-2], read(io.BytesIO(packed.read(name)))) for name in names]
    classes = sorted({label for label, _ in found})
    labels = np.array([classes.index(label) for label, _ in found])
    return split(np.stack([each for _, each in found]).astype(np.float32), labels)


def _features(content: io.BytesIO) -> NDArray[np.float32]:
    with wave.open(content) as sound:
        assert sound.getframerate() == RATE
        samples = np.frombuffer(sound.readframes(RATE), np.int16).astype(np.float64)
    samples = np.pad(samples, (0, max(0, RATE - len(samples))))
    frames = np.stack([samples[at * STEP : at * STEP + FRAME] for at in range(FRAMES)])
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME))) ** 2
    return np.log(power @ np.stack(list(_bands()), axis=1) + 1)[..., None].astype(np.float32)


def _bands() -> Iterator[NDArray[np.float64]]:
    """Triangles that are alike on the mel scale (O'Shaughnessy 1987: 2595 · log10(1 + f / 700))."""
    hertz = np.fft.rfftfreq(FRAME, 1 / RATE)
    mels = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
        yield np.clip(np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle)), 0, None)

"""What the models are trained on: pictures in colour, grey ones, and a table."""

import csv
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sklearn.datasets import load_breast_cancer

from tests.e2e.portal import digits_zip

ARCHIVE = "cifar10-5k.zip"
DIGITS = 1797  # all there are


@dataclass(frozen=True)
class DataSet:
    """`content` makes the upload of the folder that was named; `asked` a file to ask about of the upload's bytes."""

    name: str
    title: str
    task: str
    recipe: str
    file: str
    epochs: int
    content: Callable[[Path], bytes]
    asked: Callable[[bytes], tuple[str, bytes]]
    more: dict[str, str] = field(default_factory=dict)


def _first_picture(content: bytes) -> tuple[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        name = next(name for name in packed.namelist() if not name.endswith("/"))
        return f"asked{Path(name).suffix}", packed.read(name)


def _first_row(content: bytes) -> tuple[str, bytes]:
    return "asked.csv", b"".join(content.splitlines(keepends=True)[:2])


def _cancer(_folder: Path) -> bytes:
    found, text = load_breast_cancer(), io.StringIO()
    table = csv.writer(text)
    table.writerow([*found.feature_names, "diagnosis"])
    for row, target in zip(found.data.tolist(), found.target, strict=True):
        table.writerow([*row, found.target_names[target]])
    return text.getvalue().encode()


SETS = (
    DataSet(
        "cifar10", "CIFAR-10: 5,000 pictures of 32 × 32 in colour, 10 classes", "image-classification",
        "image-classifier", "cifar10.zip", 8, lambda folder: (folder / ARCHIVE).read_bytes(), _first_picture,
    ),
    DataSet(
        "digits", "Digits: 1,797 pictures of 8 × 8 in grey, 10 classes", "image-classification",
        "image-classifier", "digits.zip", 12, lambda _folder: digits_zip(DIGITS), _first_picture,
    ),
    DataSet(
        "breast-cancer", "Breast cancer: 569 rows of 30 numbers, 2 classes", "table-classification",
        "table-classifier", "cancer.csv", 30, _cancer, _first_row, {"label_column": "diagnosis"},
    ),
)  # fmt: skip

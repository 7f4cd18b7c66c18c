"""Small uploads, made as members would."""

import io
import random
import zipfile

from PIL import Image


def picture(seed: int, *, side: int = 16) -> bytes:
    """A PNG of one colour that no other seed has."""
    colour = random.Random(seed).randbytes(3)
    out = io.BytesIO()
    Image.new("RGB", (side, side), tuple(colour)).save(out, "PNG")
    return out.getvalue()


def image_zip(*, per_class: int = 6, labels: tuple[str, ...] = ("cat", "dog"), extra: bytes = b"") -> bytes:
    """A zip with a folder per class; `extra` is one more file in the first, which no reader can decode."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, label in enumerate(labels):
            for index in range(per_class):
                archive.writestr(f"{label}/{index}.png", picture(1000 * number + index))
        if extra:
            archive.writestr(f"{labels[0]}/broken.png", extra)
    return out.getvalue()


def csv_table(*, rows: int = 40) -> bytes:
    """Columns a, b, kind (x or y) and price."""
    lines = ["a,b,kind,price"]
    lines += [f"{n},{n * 0.5},{'x' if n % 2 else 'y'},{n * 3 + 1}" for n in range(rows)]
    return "\n".join(lines).encode()

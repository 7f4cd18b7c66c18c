"""The import task that the supervisor hands in, typed."""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from jobs.engine.spec import PixelRange


class FileKind(StrEnum):
    """What a brought file turns out to be."""

    KERAS = "keras"
    HDF5 = "hdf5"
    SAVED_MODEL = "saved_model"


class ImportTask(BaseModel):
    """One model to be taken in; paths are those that this process sees.

    `file` is what the member brought, `filename` only what they call it. `labels` name the outputs in order: none
    for a model that answers with a number, None for those of the data. `pixels` is what the model wants pictures'
    values to be; `sample_rate`, in Hz, makes it a model of sounds. `data`, `data_key` and `cache` are as for
    training; `data` is None when nothing was brought to measure by. `out` is the only other writable place.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    file: Path
    filename: str = ""
    labels: tuple[str, ...] | None = None
    pixels: PixelRange = PixelRange.BYTES
    sample_rate: int | None = Field(default=None, ge=1)
    data: Path | None = None
    data_key: str = ""
    cache: Path
    out: Path
    threads: int | None = Field(default=None, ge=1)

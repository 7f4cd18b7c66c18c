"""The store in a bucket of an S3-compatible server, as Django's storage `blobs`. Knows no rows.

An object appears whole or not at all, also where a server or a sender dies in the middle: S3 promises that. Trouble
with the server is a StoreAwayError, an object that is not there a FileNotFoundError.
"""

import copy
import errno
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.exceptions import ImproperlyConfigured
from storages.backends.s3 import S3Storage

from portal.core.stores.trouble import DamagedError, StoreAwayError

log = logging.getLogger(__name__)

PIECE_BYTES = 1024 * 1024
PART_BYTES = 16 * 1024 * 1024  # of a multipart upload; two at a time are on their way
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)  # before a broken stream is taken up again
TROUBLE = (BotoCoreError, Boto3Error, ClientError)
TRANSFER = TransferConfig(
    multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=2, num_download_attempts=1
)
PATIENT = Config(connect_timeout=3, read_timeout=30, retries={"total_max_attempts": 3, "mode": "standard"})
BRISK = Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 1})
"""For what is asked while a row is locked."""


@dataclass(frozen=True)
class Listed:
    """An object of the bucket that is named like a blob."""

    sha256: str
    size: int
    modified: datetime


class Bucket(S3Storage):  # type: ignore[misc] # django-storages has no types
    """The objects `prefix/ab/abcd…`. Its methods may be called from any thread."""

    @cached_property
    def _client(self) -> Any:
        return self.connection.meta.client

    @cached_property
    def _brisk(self) -> Any:
        twin = copy.copy(self)
        twin.__dict__.pop("_client", None)
        twin.client_config = self.client_config.merge(BRISK)
        return twin.connection.meta.client

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.client_config: Config = self.client_config.merge(PATIENT)

    def key(self, sha256: str) -> str:
        """Where the blob lies in the bucket."""
        return f"{self.location}/{sha256[:2]}/{sha256}".lstrip("/")

    def _at(self, sha256: str) -> dict[str, str]:
        return {"Bucket": self.bucket_name, "Key": self.key(sha256)}

    def put(self, path: Path, sha256: str) -> None:
        """Send a file, in parts when it is large, in memory that does not grow with it."""
        with _told(sha256):
            self._client.upload_file(str(path), self.bucket_name, self.key(sha256), Config=TRANSFER)

    def holds(self, sha256: str, size: int) -> bool:
        """Whether a whole object of that name is there."""
        try:
            with _told(sha256):
                return bool(self._client.head_object(**self._at(sha256))["ContentLength"] == size)
        except FileNotFoundError:
            return False

    def remove(self, sha256: str) -> None:
        """Delete the object, if it is there. Asks only once, and soon gives up: rows are locked meanwhile."""
        with _told(sha256):
            self._brisk.delete_object(**self._at(sha256))

    def read(self, sha256: str, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` up to but not including `stop`, one piece in memory at a time.

        The server is asked now; where the stream breaks off, it is taken up again at that place for some seconds.
        """
        if start >= stop:
            return iter(())
        return self._pieces(sha256, start, stop, self._body(sha256, start, stop))

    def _body(self, sha256: str, start: int, stop: int) -> Any:
        with _told(sha256):
            found = self._client.get_object(**self._at(sha256), Range=f"bytes={start}-{stop - 1}")
            return found["Body"]

    def _pieces(self, sha256: str, at: int, stop: int, body: Any) -> Iterator[bytes]:
        pauses = iter(PAUSES_S)
        while at < stop:
            try:
                body = self._body(sha256, at, stop) if body is None else body
                piece = _next(body, sha256, stop - at)
            except StoreAwayError:
                _close(body)
                body = None
                if (pause := next(pauses, None)) is None:
                    raise
                time.sleep(pause)
                continue
            pauses = iter(PAUSES_S)
            at += len(piece)
            try:
                yield piece
            except GeneratorExit:
                _close(body)
                raise
        _close(body)

    def listed(self) -> Iterator[list[Listed]]:
        """All objects that are named like blobs, some hundred at a time."""
        with _told():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket_name, Prefix=self._prefix()):
                yield [
                    Listed(found["Key"].rpartition("/")[2], found["Size"], found["LastModified"])
                    for found in page.get("Contents", [])
                    if found["Key"] == self.key(found["Key"].rpartition("/")[2])
                ]

    def _prefix(self) -> str:
        return f"{self.location}/".lstrip("/")

    def drop_halves(self, before: datetime) -> int:
        """Give up the multipart uploads that began before then, and never ended; how many."""
        with _told():
            pages = self._client.get_paginator("list_multipart_uploads")
            dropped = 0
            for page in pages.paginate(Bucket=self.bucket_name, Prefix=self._prefix()):
                for half in page.get("Uploads", []):
                    if half["Initiated"] < before:
                        self._client.abort_multipart_upload(
                            Bucket=self.bucket_name, Key=half["Key"], UploadId=half["UploadId"]
                        )
                        dropped += 1
            return dropped

    def try_out(self) -> None:
        """Write, read and delete a small object. ImproperlyConfigured, in words, where that is not allowed;
        StoreAwayError when the server does not answer.
        """
        asked = {"Bucket": self.bucket_name, "Key": f"{self.location}/tried-{os.getpid()}".lstrip("/")}
        try:
            self._client.put_object(**asked, Body=b"gristmill")
            self._client.get_object(**asked)["Body"].read()
            self._client.delete_object(**asked)
        except ClientError as error:
            if _status(error) >= 500:  # noqa: PLR2004 - HTTP's
                raise StoreAwayError from error
            raise ImproperlyConfigured(self._refusal(error)) from error
        except BotoCoreError as error:
            if type(error).__name__.endswith("CredentialsError"):
                raise ImproperlyConfigured(f"The file store needs credentials: {error}.") from error
            raise StoreAwayError from error

    def _refusal(self, error: ClientError) -> str:
        said = error.response.get("Error", {})
        return (
            f"The bucket {self.bucket_name!r} does not take files: {said.get('Message') or error} "
            f"({said.get('Code')}). Check GRISTMILL_S3_BUCKET, _ENDPOINT, _REGION and the keys, and that they may "
            "put, get, list and delete objects."
        )


def _next(body: Any, sha256: str, most: int) -> bytes:
    """The stream's next piece; StoreAwayError when it broke off."""
    with _told(sha256):
        piece: bytes = body.read(min(PIECE_BYTES, most))
    if not piece:
        raise StoreAwayError
    return piece


def _close(body: Any) -> None:
    if body is not None:
        body.close()


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextmanager
def _told(sha256: str = "") -> Iterator[None]:
    """Trouble with the server in our own words."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code in {"404", "NoSuchKey"}:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), sha256) from error
        if code == "InvalidRange":  # the object is shorter than the blob
            raise DamagedError(sha256) from error
        log.warning("the file store refuses: %s", error)
        raise StoreAwayError from error
    except TROUBLE as error:
        log.warning("the file store can't be reached: %s", error)
        raise StoreAwayError from error

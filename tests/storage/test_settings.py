"""What is set for the store is understood at start, or said to be wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.bundles import keys, signing
from portal.kit.errors import UserError
from tests.e2e.portal import ROOT

BUCKET = {"GRISTMILL_S3_BUCKET": "mill"}
ENDPOINT = {"GRISTMILL_S3_ENDPOINT": "http://127.0.0.1:9"}
PRINT = "from django.conf import settings; print(settings.STORAGES.get('blobs'))"


def shell(home: Path, code: str, **env: str) -> "subprocess.CompletedProcess[str]":
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GRISTMILL_")}
    more = {"GRISTMILL_HOME": str(home), "DJANGO_SETTINGS_MODULE": "portal.settings"}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=plain | more | env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (ENDPOINT, "no GRISTMILL_S3_BUCKET"),
        (BUCKET | {"GRISTMILL_S3_ACCESS_KEY": "x"}, "GRISTMILL_S3_SECRET_KEY is missing"),
        (BUCKET | {"GRISTMILL_S3_SECRET_KEY": "x"}, "GRISTMILL_S3_ACCESS_KEY is missing"),
        (BUCKET | {"GRISTMILL_S3_ENDPOINT": "minio:9000"}, "must begin with https://"),
    ],
)
def test_what_is_half_set_is_refused_in_words(tmp_path: Path, given: dict[str, str], sentence: str) -> None:
    assert sentence in shell(tmp_path, PRINT, **given).stderr


def test_keys_come_from_files_too(tmp_path: Path) -> None:
    names = {}
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        (tmp_path / name).write_text(f"the {name}\n")
        names[f"GRISTMILL_S3_{name}_FILE"] = str(tmp_path / name)
    said = shell(tmp_path, PRINT, **BUCKET, **ENDPOINT, **names).stdout
    assert "'the ACCESS_KEY'" in said
    assert "'the SECRET_KEY'" in said


def test_without_any_of_it_files_stay_in_the_home(tmp_path: Path) -> None:
    assert shell(tmp_path, PRINT).stdout == "None\n"


def test_homes_that_share_a_signing_key_sign_alike(tmp_path: Path) -> None:
    pem = signing.private_pem(signing.new_key()).decode()
    code = "import django; django.setup(); from jobs.bundles import keys; print(keys.public_pem())"
    one_line = pem.replace("\n", "\\n")
    said = [
        shell(tmp_path / name, code, GRISTMILL_SIGNING_KEY=key).stdout
        for name, key in (("a", pem), ("b", one_line))
    ]
    assert said[0] == said[1] == signing.public_pem(signing.load_private(pem.encode())) + "\n"
    assert not (tmp_path / "a" / "secrets" / keys.SIGNING_KEY).exists()


def test_a_signing_key_that_is_none_is_told(settings: object) -> None:
    settings.SIGNING_KEY = "no key"  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="openssl genpkey"):
        keys.signing_key()

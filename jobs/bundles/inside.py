"""Files inside a bundle's zip: what a page needs of it, without the rest."""

import json
import zipfile
from typing import Any

from django.utils.translation import gettext as _

from jobs.bundles.models import Bundle, BundleState
from jobs.bundles.sealing import MANIFEST
from portal.core import storage
from portal.kit.errors import UserError


def read(bundle: Bundle, name: str) -> bytes:
    """One file of the bundle's folder.

    UserError `not_ready` while there is no zip, `not_found` when it has no such file. While the store is away it raises
    as `storage.local` does.
    """
    if bundle.state != BundleState.READY or bundle.zip is None:
        raise UserError("not_ready", bundle.reason or _("It is still being built."), status=409)
    with storage.local(bundle.zip) as path, zipfile.ZipFile(path) as packed:
        top = packed.namelist()[0].split("/")[0]  # the one folder; models may be renamed later
        try:
            return packed.read(f"{top}/{name}")
        except KeyError:
            raise UserError("not_found", _("The bundle has no such file."), status=404) from None


def manifest(bundle: Bundle) -> dict[str, Any]:
    """What the bundle says of itself. Raises as `read` does."""
    found: dict[str, Any] = json.loads(read(bundle, MANIFEST))
    return found

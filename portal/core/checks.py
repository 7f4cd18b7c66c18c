"""What is looked at when a program starts, so that trouble is a sentence then and no traceback at midnight."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Doubt
from django.core.exceptions import ImproperlyConfigured

from portal.core import storage
from portal.core.stores.trouble import StoreAwayError


@register()
def file_store(app_configs: Sequence[Any] | None, **_more: Any) -> list[CheckMessage]:
    """Whether the bucket takes files. One that does not answer may do so later."""
    if app_configs is not None or (far := storage.bucket()) is None:
        return []
    try:
        far.try_out()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="gristmill.E001")]
    except StoreAwayError:
        detail = "The file store does not answer. The portal starts, and waits for it."
        return [Doubt(detail, hint="Check GRISTMILL_S3_ENDPOINT.", id="gristmill.W001")]
    return []

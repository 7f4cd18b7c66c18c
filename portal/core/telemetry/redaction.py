"""What must never stand in a log, taken out of any text: tokens, links that let somebody in, passwords."""

import re
from functools import lru_cache
from typing import Any

from django.conf import settings

GONE = "…"
LEAST = 8  # characters: what is shorter is no secret, and would be found in every word
PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), kept)
    for pattern, kept in (
        (r"\bgm_[0-9A-Za-z]{8,}", "gm_…"),
        (r"(?i)\b(authorization)(\W{0,4}[:=,]\W{0,4})(token|bearer|device|basic|digest)?\s*[^\s'\",)\]\\]+",
         r"\1\2\3 …"),
        (r"(?i)\b(bearer|token|device|basic)\s+[\w+/.~-]{16,}=*", r"\1 …"),
        (r"(/join/)[^\s/?#'\"<>]+", r"\1…"),
        (r"(/password/reset/key/)[^\s/?#'\"<>]+", r"\1…"),
        (r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/'\"]*@", r"\1…@"),
        (r"(?i)\b(\w*password|passwd|sessionid|csrftoken|csrfmiddlewaretoken)([\\'\"]*\s*[=:]\s*[\\'\"]*)[^\s'\"&,;)\\]+",
         r"\1\2…"),
    )
)  # fmt: skip


def clean(text: str) -> str:
    """`text` without what lets its reader in somewhere."""
    for secret in _ours():
        text = text.replace(secret, GONE)
    for pattern, kept in PATTERNS:
        text = pattern.sub(kept, text)
    return text


@lru_cache(maxsize=1)
def _ours() -> tuple[str, ...]:
    """The secrets of this deployment, whatever they look like."""
    found = {_setting(name) for name in ("SECRET_KEY", "METRICS_TOKEN", "EMAIL_HOST_PASSWORD")}
    found |= {str(database.get("PASSWORD") or "") for database in settings.DATABASES.values()}
    found |= set(_of_storages(settings.STORAGES))
    return tuple(sorted((secret for secret in found if len(secret) >= LEAST), key=len, reverse=True))


def _setting(name: str) -> str:
    return str(getattr(settings, name, "") or "")


def _of_storages(storages: dict[str, dict[str, Any]]) -> list[str]:
    return [str(store.get("OPTIONS", {}).get("secret_key") or "") for store in storages.values()]

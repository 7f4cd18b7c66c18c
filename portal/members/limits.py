"""How often one address may try what could be guessed: API tokens, invitations.

Counted in Django's cache, which every process keeps for itself while Redis is away.
"""

import hashlib
import time

from allauth.account.adapter import get_adapter
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def address_of(request: HttpRequest) -> str:
    """Where the caller is: what the proxy in front says where there is one, else the connection's other end."""
    try:
        return str(get_adapter(request).get_client_ip(request))
    except PermissionDenied:
        return ""


def wait(action: str, who: str, rate: str) -> int:
    """Count one more `action` of `who`; how many seconds they have to wait, 0 when that was within `rate`, which is
    written as in `20/minute`.
    """
    most, period = rate.split("/")
    duration = SECONDS[period[0]]
    now = int(time.time())
    named = hashlib.sha256(who.encode()).hexdigest()[:32]
    key = f"limit:{action}:{named}:{now // duration}"
    cache.add(key, 0, timeout=duration)
    try:
        count = cache.incr(key)
    except ValueError:  # it ran out, or Redis came or went, just now
        return 0
    return 0 if count <= int(most) else duration - now % duration

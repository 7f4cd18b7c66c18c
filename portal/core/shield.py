"""What stands in the head of every answer, whoever gave it: Django, tus, the probes, static files, refusals.

An answer that says something of its own keeps it. What says nothing about scripts gets the strictest policy there is:
it is data, and opened by itself it may do nothing on our origin.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

NOTHING_ACTIVE = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
FEATURES = (
    "accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone", "midi",
    "payment", "serial", "usb",
)  # fmt: skip


def permissions(*allowed: str) -> str:
    """A Permissions-Policy by which a page may use those of FEATURES that are named, itself, and none of the others."""
    return ", ".join(f"{feature}=({'self' if feature in allowed else ''})" for feature in FEATURES)


ALWAYS = {
    "content-security-policy": NOTHING_ACTIVE,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": permissions(),
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Shielded:
    """An ASGI application that answers as `inner` does, with these heads where it set none. `more` are further ones."""

    def __init__(self, inner: Application, more: Mapping[str, str] | None = None) -> None:
        self.inner = inner
        self.heads = [
            (name.encode(), value.encode()) for name, value in {**ALWAYS, **(more or {})}.items() if value
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return

        async def tell(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                said = {name.lower() for name, _value in given}
                message = {**message, "headers": [*given, *(h for h in self.heads if h[0] not in said)]}
            await send(message)

        await self.inner(scope, receive, tell)

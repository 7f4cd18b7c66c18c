"""Settings from the environment, read strictly: what can't be understood is an error in words, at start."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


class EnvError(Exception):
    """A setting in the environment can't be understood; the message names it and says what would be."""


def text(name: str, default: str = "", *, env: Mapping[str, str] = os.environ) -> str:
    """The variable's value, stripped; `default` when unset or empty."""
    return env.get(name, "").strip() or default


def boolean(name: str, default: bool, *, env: Mapping[str, str] = os.environ) -> bool:
    """True for 1/true/yes/on, False for 0/false/no/off, anything else raises EnvError."""
    value = text(name, env=env).lower()
    if not value:
        return default
    if value in TRUE or value in FALSE:
        return value in TRUE
    raise EnvError(f"{name}={value!r} is neither true nor false. Write 1 or 0.")


def integer(name: str, default: int, *, minimum: int = 0, env: Mapping[str, str] = os.environ) -> int:
    """A whole number of at least `minimum`, else EnvError."""
    value = text(name, env=env)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise EnvError(f"{name}={value!r} is not a whole number.") from None
    if number < minimum:
        raise EnvError(f"{name}={number} is too small: {minimum} is the least.")
    return number


def choice(name: str, default: str, known: Sequence[str], *, env: Mapping[str, str] = os.environ) -> str:
    """One of `known`, whatever its case, else EnvError."""
    value = text(name, default, env=env).lower()
    if value not in known:
        raise EnvError(f"{name}={value!r} is none of: {', '.join(known)}.")
    return value


def words(name: str, default: str = "", *, env: Mapping[str, str] = os.environ) -> list[str]:
    """A comma-separated list without empty entries."""
    return [word.strip() for word in text(name, default, env=env).split(",") if word.strip()]


def secret(name: str, default: str = "", *, env: Mapping[str, str] = os.environ) -> str:
    """A secret from NAME, or from the file that NAME_FILE names. EnvError for both at once or an unreadable file."""
    file = text(f"{name}_FILE", env=env)
    if not file:
        return text(name, default, env=env)
    if text(name, env=env):
        raise EnvError(f"Both {name} and {name}_FILE are set. Keep one.")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise EnvError(f"{name}_FILE={file!r} can't be read: {error.strerror}.") from error

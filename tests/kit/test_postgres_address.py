"""The address of a PostgreSQL server, as an operator may write it."""

import pytest

from portal.kit import postgres
from portal.kit.env import EnvError


def test_a_server_on_the_network() -> None:
    found = postgres.parse("postgresql://mill:p%40ss@db.example:5433/grist?sslmode=verify-full")
    assert found == {
        "NAME": "grist", "USER": "mill", "PASSWORD": "p@ss", "HOST": "db.example", "PORT": "5433",
        "OPTIONS": {"sslmode": "verify-full"},
    }  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///grist?host=/run/Post%20gres&user=mill",
        "postgresql://mill@%2Frun%2FPost%20gres/grist",
    ],
)
def test_a_unix_socket_keeps_its_folder_as_written(url: str) -> None:
    found = postgres.parse(url)
    assert (found["HOST"], found["USER"], found["NAME"], found["PORT"]) == (
        "/run/Post gres",
        "mill",
        "grist",
        "",
    )


def test_an_ipv6_address() -> None:
    found = postgres.parse("postgres://mill@[::1]:5432/grist")
    assert (found["HOST"], found["PORT"]) == ("::1", "5432")


@pytest.mark.parametrize(
    "url",
    ["postgresql://mill:secret@host/", "mysql://mill:secret@host/x", "postgresql://mill:secret@host:five/x"],
)
def test_what_can_not_be_meant_is_said_without_the_password(url: str) -> None:
    with pytest.raises(EnvError) as refused:
        postgres.parse(url)
    assert "secret" not in str(refused.value)

"""Tables out of and into the database, as lines of JSON that mean the same to SQLite and PostgreSQL."""

import gzip
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.migrations.state import StateApps
from django.db.models import Field, JSONField, Model, QuerySet

AnyField = Field[Any, Any]
LEFT_OUT = frozenset({"django_session"})  # members sign in again; API tokens live on
ROWS = 1000


def tables(apps: StateApps) -> list[type[Model]]:
    """The models whose tables a backup holds, as the migrations up to some point describe them."""
    there = set(connection.introspection.table_names()) - LEFT_OUT
    found = {}
    for model in apps.get_models(include_auto_created=True):
        options = model._meta  # noqa: SLF001 - Django's documented introspection
        if options.managed and not options.proxy and options.db_table in there:
            found[options.db_table] = model
    return [found[name] for name in sorted(found)]


@contextmanager
def snapshot() -> Iterator[None]:
    """Every query in the block sees the database as it was at the first. Nobody who writes is kept waiting."""
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        connection.transaction_mode = "DEFERRED"  # type: ignore[attr-defined] # not the settings' IMMEDIATE: we only read
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def dump(rows: QuerySet[Any], path: Path) -> None:
    """Write the rows, by primary key, in flat memory."""
    columns = [field.attname for field in _fields(rows.model)]
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=5) as file:
        file.write(json.dumps(columns) + "\n")
        for row in rows.order_by("pk").values_list(*columns).iterator(chunk_size=ROWS):
            file.write(json.dumps(row, default=_as_text, ensure_ascii=False) + "\n")


def load(model: type[Model], path: Path) -> int:
    """Write into the empty table what `dump` wrote; how many rows. Nothing is set or noted on the way."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        columns = json.loads(next(file))
        known = {field.attname: field for field in _fields(model)}
        fields = [known[name] for name in columns]
        return sum(_insert(model, fields, rows) for rows in _in_parts(json.loads(line) for line in file))


def empty(models: Iterable[type[Model]]) -> None:
    """Take out what migrations put in: the backup has it too."""
    with connection.cursor() as cursor:
        for model in models:
            cursor.execute(f"DELETE FROM {_quoted(_table(model))}")  # noqa: S608 - a name of our own


def reset_sequences(models: list[type[Model]]) -> None:
    """Number new rows on from the last ones, where the database does not see to that itself."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)


def _fields(model: type[Model]) -> list[AnyField]:
    return list(model._meta.local_concrete_fields)  # noqa: SLF001 - Django's documented introspection


def _table(model: type[Model]) -> str:
    return model._meta.db_table  # noqa: SLF001


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _as_text(value: object) -> str:
    """What JSON has no form for, as the field's `to_python` reads it. TypeError for what no field of ours holds."""
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID | timedelta):
        return str(value)
    raise TypeError(f"a backup can't hold a {type(value).__name__}")


def _insert(model: type[Model], fields: list[AnyField], rows: list[list[Any]]) -> int:
    names = ", ".join(_quoted(str(field.column)) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    statement = f"INSERT INTO {_quoted(_table(model))} ({names}) VALUES ({places})"  # noqa: S608 - names of our own
    values = [[_stored(field, value) for field, value in zip(fields, row, strict=True)] for row in rows]
    with connection.cursor() as cursor:
        cursor.executemany(statement, values)
    return len(rows)


def _stored(field: AnyField, value: Any) -> Any:
    """The value as the database takes it."""
    if isinstance(field, JSONField):
        return None if value is None and field.null else connection.ops.adapt_json_value(value, field.encoder)
    return field.get_db_prep_save(field.to_python(value), connection)


def _in_parts(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while part := list(islice(rows, ROWS)):
        yield part

"""The labels of a brought model: a list of texts, in the order of its outputs."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from jobs.datasets.formats.limits import MAX_CLASSES, MAX_LABEL_CHARACTERS
from jobs.datasets.formats.names import clean
from jobs.datasets.models import Task, Version
from portal.kit.errors import FieldError, UserError

_NAMED = 5


def checked_labels(given: Any) -> list[str]:
    """The labels as they are kept. UserError says what is wrong; none at all are those of a model of a number."""
    if not isinstance(given, list) or not all(_is_label(one) for one in given):
        raise _wrong(_("Labels are a JSON list of texts, in the order of the model's outputs."))
    if len(given) > MAX_CLASSES:
        raise _wrong(_("At most %(most)d labels are taken.") % {"most": MAX_CLASSES})
    labels = [clean(str(one)) for one in given]
    if any(not label or len(label) > MAX_LABEL_CHARACTERS for label in labels):
        detail = _("Each label has between 1 and %(most)d characters that can be seen.")
        raise _wrong(detail % {"most": MAX_LABEL_CHARACTERS})
    if len(set(labels)) != len(labels):
        raise _wrong(_("A label is named twice. Give each output a name of its own."))
    return labels


def _is_label(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def refuse_other_classes(version: Version, labels: Sequence[str]) -> None:
    """UserError when the labels can't be the classes of that data. The engine compares again, with the data itself."""
    if version.dataset.task == Task.TABLE_REGRESSION:
        if labels:
            raise _wrong(
                _("This dataset has no classes: its label is a number. Give no labels ([]), or other data.")
            )
        return
    classes = version.report.get("classes")
    if not isinstance(classes, dict) or set(classes) == set(labels):
        return
    missing, unknown = _some(set(classes) - set(labels)), _some(set(labels) - set(classes))
    detail = _("The labels are not the dataset's classes.")
    if missing:
        detail += " " + _("No label is named: %(names)s.") % {"names": missing}
    if unknown:
        detail += " " + _("The dataset has no class: %(names)s.") % {"names": unknown}
    raise _wrong(detail)


def _some(names: set[str]) -> str:
    shown = sorted(names)
    more = _(" and %(count)d more") % {"count": len(shown) - _NAMED} if len(shown) > _NAMED else ""
    return ", ".join(shown[:_NAMED]) + more


def _wrong(detail: str) -> UserError:
    return UserError("invalid", detail, errors=[FieldError("labels", detail)])

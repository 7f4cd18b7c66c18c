"""What a job's model will take on its targets, before anything is trained: told, refused, or made to fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from pydantic import ValidationError

from hardware.targets.profiles import Target
from hardware.targets.registry import TARGETS
from jobs.datasets.models import Version
from jobs.engine.recipes.recipe import Recipe
from jobs.engine.recipes.sizing.boards import Fits, on_board
from jobs.engine.recipes.sizing.data import from_report
from jobs.engine.recipes.sizing.fitting import UnfitError, fitted
from jobs.engine.spec import JobSpec, validate_params
from jobs.queue import kinds
from portal.kit.errors import FieldError, UserError


@dataclass(frozen=True)
class Expected:
    """The parameters to train with, the multiply-accumulates of one answer, and `fit`: what is expected on each target.

    `fit` is empty without targets, and like `macs` for versions whose report does not tell enough: the engine looks at
    those.
    """

    params: dict[str, Any]
    macs: int | None = None
    fit: dict[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What was made smaller; "" when nothing was."""
        return str(self.fit.get("sentence", ""))


def expected(spec: JobSpec, recipe: Recipe, version: Version) -> Expected:
    """By estimate. UserError `too_large` when a target surely can't hold the model: with `fit`, no model of the recipe.

    Where the estimate leaves it open, the engine finds out before it trains.
    """
    data = from_report(version.report)
    if data is None:
        return Expected(spec.params)
    params = validate_params(recipe.name, spec.params)
    if not spec.targets:
        return Expected(spec.params, recipe.sizing.estimate(params, data).macs)
    targets = [TARGETS[name] for name in spec.targets]
    try:
        found = fitted(recipe.sizing, params, data, targets, shrink=spec.fit, factors=kinds.latency_factors())
    except UnfitError as error:
        raise _too_large(error) from None
    return Expected(found.params.model_dump(mode="json"), found.estimate.macs, found.as_json())


def preview(
    recipe: Recipe, version: Version, given: dict[str, Any], chosen: Sequence[str], *, shrink: bool
) -> dict[str, Any]:
    """For a form that is not submitted yet: `rows` of what is expected on each chosen target, the `sentence` that says
    what would be made smaller, or the `problem`: why a target can't hold it. Empty where nothing is known.
    """
    data = from_report(version.report)
    targets = [TARGETS[name] for name in chosen]
    try:
        params = validate_params(recipe.name, given)
    except ValidationError:
        return {}
    if data is None or not targets:
        return {}
    factors = kinds.latency_factors()
    try:
        found = fitted(recipe.sizing, params, data, targets, shrink=shrink, factors=factors)
    except UnfitError as error:
        estimate = recipe.sizing.estimate(params, data)
        boards = [on_board(estimate, each, factor=factors.get(each.name, 1.0)) for each in targets]
        return {"rows": rows({"targets": [board.as_json() for board in boards]}), "problem": str(error)}
    return {"rows": rows(found.as_json()), "sentence": found.sentence}


def too_large(recipe: Recipe, version: Version, given: dict[str, Any], target: Target) -> str:
    """Why a target surely can't hold a model of these parameters, by estimate; "" where it may."""
    data = from_report(version.report)
    if data is None:
        return ""
    board = on_board(recipe.sizing.estimate(validate_params(recipe.name, given), data), target)
    return board.reason if board.fits is Fits.TOO_LARGE else ""


def rows(fit: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The targets of a job's `fit`, each with its title."""
    return [
        {**row, "title": TARGETS[row["target"]].title if row["target"] in TARGETS else row["target"]}
        for row in fit.get("targets") or ()
    ]


def _too_large(error: UnfitError) -> UserError:
    detail = str(error)
    most = [
        FieldError(f"params.{name}", _("At most %(most)s fits all targets.") % {"most": value})
        for name, value in error.most.items()
    ]
    return UserError("too_large", detail, errors=[FieldError("targets", detail), *most])

"""What can never run is refused at once, in words: before it waits, and before it costs anything."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from pydantic import ValidationError

from hardware.nodes.models import AcceleratorKind
from hardware.targets import registry as targets
from hardware.targets.profiles import Kind
from jobs.datasets import queries as datasets
from jobs.datasets.models import Dataset, Version, VersionState
from jobs.engine.recipes.recipe import Recipe
from jobs.engine.recipes.registry import RECIPES
from jobs.engine.spec import AcceleratorClass, JobSpec
from jobs.queue import capacity, fitting, kinds
from jobs.queue.fitting import Expected
from portal.kit.errors import FieldError, UserError
from portal.ledger import services as ledger
from portal.members.models import Member


@dataclass(frozen=True)
class Admitted:
    """A request that can run: its recipe, the version it means, the spec with every default filled in, and what is
    expected of the model on its targets.
    """

    recipe: Recipe
    version: Version
    spec: dict[str, Any]
    expected: Expected


def admit(*, owner: Member, spec: JobSpec) -> Admitted:
    """Check `spec` against the data, the recipes, the machine and the quotas. UserError says what to change."""
    recipe = RECIPES.get(spec.recipe)
    if recipe is None:
        known = ", ".join(sorted(RECIPES))
        raise _invalid(
            "recipe", _("There is no recipe of that name. There are: %(known)s.") % {"known": known}
        )
    version = _version(owner, spec, recipe)
    kinds.check_use(spec.kind, spec.resources.accelerator)
    ledger.check_may_use(owner, spec.resources.accelerator)
    capacity.check(owner, spec.kind, spec.resources)
    _check_targets(spec, recipe)
    _check_boards(owner, spec)
    if spec.warm_start:
        kinds.warm_start_blob(owner=owner, model=spec.warm_start)
    expected = fitting.expected(spec, recipe, version)
    complete = spec.model_dump(mode="json") | {"version": version.number, "params": expected.params}
    return Admitted(recipe, version, complete, expected)


def parse_spec(body: Any) -> JobSpec:
    """A request's JSON as a JobSpec. UserError `invalid` names each field that is wrong."""
    try:
        return JobSpec.model_validate(body)
    except ValidationError as error:
        raise _invalid_fields(error) from None


def _invalid_fields(error: ValidationError) -> UserError:
    errors = [
        FieldError(".".join(str(part) for part in item["loc"]), item["msg"].rstrip(".") + ".")
        for item in error.errors(include_url=False, include_context=False)
    ]
    detail = " ".join(f"{item.field}: {item.detail}" for item in errors)
    return UserError("invalid", detail, errors=errors)


def _invalid(field: str, detail: str, code: str = "invalid") -> UserError:
    return UserError(code, detail, errors=[FieldError(field, detail)])


def _version(owner: Member, spec: JobSpec, recipe: Recipe) -> Version:
    dataset = usable_dataset(owner, spec.dataset)
    if dataset.task != recipe.task:
        detail = _("This recipe is for %(recipe)s, and the dataset is for %(dataset)s.")
        raise _invalid("recipe", detail % {"recipe": recipe.task, "dataset": dataset.task}, "wrong_task")
    return ready_version(dataset, spec.version)


def usable_dataset(owner: Member, dataset_id: str) -> Dataset:
    """A dataset that `owner` may use. UserError `unknown_dataset`."""
    dataset = datasets.visible_to(owner).filter(pk=dataset_id).first()
    if dataset is None:
        detail = _("There is no such dataset, or it is not yours to use.")
        raise UserError("unknown_dataset", detail, status=404, errors=[FieldError("dataset", detail)])
    return dataset


def ready_version(dataset: Dataset, number: int | None) -> Version:
    """The version of that number, or the newest that is ready. UserError `no_ready_version`."""
    ready = dataset.versions.filter(state=VersionState.READY).select_related("dataset")
    if number is None:
        if (latest := ready.order_by("-number").first()) is not None:
            return latest
        detail = _("The dataset has no version that is ready. Wait until one is checked, or upload one.")
    else:
        if (chosen := ready.filter(number=number).first()) is not None:
            return chosen
        detail = _("Version %(number)s is not ready or does not exist.") % {"number": number}
    raise UserError("no_ready_version", detail, status=409, errors=[FieldError("version", detail)])


def _check_targets(spec: JobSpec, recipe: Recipe) -> None:
    for target in spec.targets:
        if target not in targets.TARGETS:
            known = ", ".join(sorted(targets.TARGETS))
            detail = _("There is no target “%(target)s”. There are: %(known)s.")
            raise _invalid("targets", detail % {"target": target, "known": known}, "unknown_target")
        if not targets.TARGETS[target].buildable:
            detail = _("Bundles for %(target)s can't be built yet. Choose another target, or none.")
            raise _invalid("targets", detail % {"target": targets.TARGETS[target].title}, "not_yet")
        if target not in recipe.targets:
            detail = _("Models of this recipe are not built for %(target)s.") % {"target": target}
            raise _invalid("targets", detail, "unsuitable_target")


def _check_boards(owner: Member, spec: JobSpec) -> None:
    """FPGA boards: whether bitstreams can be built here, and by the owner; and that who trains where they are built
    names one board to build for.
    """
    boards = [target for name in spec.targets if (target := targets.TARGETS[name]).kind is Kind.FPGA]
    for board in boards:
        capacity.check_builds(board, field="targets")
        ledger.check_may_use(owner, AcceleratorKind.FPGA)
    if spec.resources.accelerator == AcceleratorClass.FPGA and len(boards) != 1:
        detail = _(
            "A training that runs with the tools for FPGA boards is sized for one board, and built for it: name one "
            "such target, not %(count)d."
        )
        raise _invalid("targets", detail % {"count": len(boards)}, "unsuitable_target")

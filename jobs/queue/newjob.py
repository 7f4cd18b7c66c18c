"""The page on which a job is put together: what there is to choose from, and the way from the form to a spec."""

from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

from hardware.nodes.models import AcceleratorKind
from hardware.targets.profiles import Kind
from hardware.targets.registry import TARGETS
from jobs.datasets import queries as datasets
from jobs.datasets.models import Dataset, Version, VersionState
from jobs.engine.recipes.recipe import Recipe
from jobs.engine.recipes.registry import RECIPES
from jobs.queue import fitting, queries, services
from jobs.queue.admission import parse_spec
from jobs.queue.capacity import has_place
from jobs.queue.forms import JobForm, ParamsForm
from jobs.queue.models import Job
from portal.kit.errors import UserError
from portal.members.models import Member


class Page:
    """The form in whatever state its reader has brought it to; `data` is what the browser sent."""

    def __init__(self, member: Member, data: QueryDict) -> None:
        self.member = member
        self.data = again(member, data)
        self.versions = newest_ready(member)
        self.dataset = self._dataset()
        self.recipes = [r for r in RECIPES.values() if self.dataset and r.task == self.dataset.task]
        self.recipe = self._recipe()
        self.choices = [(name, TARGETS[name].title) for name in (self.recipe.targets if self.recipe else ())]
        self.form = JobForm(self._bound(), targets=self.choices, initial=self._initial())
        self.params = self._params()
        self.has_tools = has_place(AcceleratorKind.FPGA)

    def _dataset(self) -> Dataset | None:
        asked = self.data.get("dataset", "")
        found = next((v.dataset for v in self.versions if v.dataset_id == asked), None)
        return found or (self.versions[0].dataset if len(self.versions) == 1 else None)

    def _recipe(self) -> Recipe | None:
        asked = self.data.get("recipe", "")
        return next((r for r in self.recipes if r.name == asked), self.recipes[0] if self.recipes else None)

    def _bound(self) -> Mapping[str, Any] | None:
        return self.data if "csrfmiddlewaretoken" in self.data else None

    def _initial(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset and self.dataset.pk,
            "recipe": self.recipe and self.recipe.name,
            "fit": "fit" in self.data,
        }

    def _params(self) -> ParamsForm | None:
        if self.recipe is None:
            return None
        # Fields of another recipe were on the page before: then this recipe's defaults are shown.
        known = self.data.get("recipe") == self.recipe.name and any(
            n.startswith("params-") for n in self.data
        )
        return ParamsForm(self.recipe, self.data if known else None)

    def submit(self) -> Job | None:
        """Queue the job, or put each error where it belongs and return None."""
        if not self.form.is_valid() or self.params is None or not self.params.is_valid():
            return None
        fields = self.form.cleaned_data
        body = {
            "recipe": fields["recipe"],
            "dataset": fields["dataset"],
            "params": self.params.params(),
            "resources": self.form.resources(),
            "targets": fields["targets"],
            "fit": fields["fit"],
            "name": fields["name"],
        }
        try:
            return services.submit_job(owner=self.member, spec=parse_spec(body))
        except UserError as error:
            self._place(error)
            return None

    def _place(self, error: UserError) -> None:
        """Each error at its field; what has no field stands at the top."""
        for item in error.errors:
            head, _dot, name = item.field.partition(".")
            if head == "params" and self.params is not None and name in self.params.fields:
                self.params.add_error(name, item.detail)
            elif head == "resources" and name in self.form.fields:
                self.form.add_error(name, item.detail)
            else:
                self.form.add_error(head if head in self.form.fields else None, item.detail)
        if not error.errors:
            self.form.add_error(None, error.detail)

    def context(self) -> dict[str, Any]:
        return {
            "form": self.form,
            "params_form": self.params,
            "datasets": [
                {
                    "id": version.dataset_id,
                    "name": version.dataset.name,
                    "task": version.dataset.task,
                    "version": version.number,
                    "samples": version.report.get("samples", 0),
                    "checked": self.dataset is not None and version.dataset_id == self.dataset.pk,
                }
                for version in self.versions
            ],
            "recipes": [
                {
                    "name": recipe.name,
                    "title": recipe.title,
                    "description": recipe.description,
                    "checked": recipe is self.recipe,
                }
                for recipe in self.recipes
            ],
            "targets": [self._target(name) for name, _title in self.choices],
            "estimates": self._estimates(),
        }

    def _estimates(self) -> dict[str, Any]:
        """What is expected of the model on the targets chosen so far; nothing while parameters are wrong."""
        version = next((v for v in self.versions if self.dataset and v.dataset_id == self.dataset.pk), None)
        if self.params is None or self.recipe is None or version is None:
            return {}
        given = self.params.params() if self.params.is_bound and self.params.is_valid() else {}
        chosen = [name for name, _title in self.choices if name in self.data.getlist("targets")]
        return fitting.preview(self.recipe, version, given, chosen, shrink="fit" in self.data)

    def _target(self, name: str) -> dict[str, Any]:
        target = TARGETS[name]
        return {
            "name": name,
            "title": target.title,
            "note": target.runtime.note,
            "experimental": target.status == "experimental",
            "checked": name in self.data.getlist("targets"),
            "disabled": target.kind is Kind.FPGA and not self.has_tools,
        }


def newest_ready(member: Member) -> list[Version]:
    """The newest ready version of each dataset that the member may use, newest dataset first."""
    ready = (
        Version.objects.filter(dataset__in=datasets.visible_to(member), state=VersionState.READY)
        .select_related("dataset")
        .order_by("-dataset_id", "-number")
    )
    newest: dict[str, Version] = {}
    for version in ready:
        newest.setdefault(version.dataset_id, version)
    return list(newest.values())


def again(member: Member, data: QueryDict) -> QueryDict:
    """`?from=<job>`: the form as that job was asked for; everything else is left as it is."""
    job = queries.visible_to(member).filter(pk=data.get("from", ""), kind="train").first()
    if job is None:
        return data
    filled = QueryDict(mutable=True)
    filled.update({"dataset": job.dataset_id or "", "recipe": job.recipe, "name": job.name})
    filled.setlist("targets", list(job.spec.get("targets") or []))
    if job.spec.get("fit"):
        filled["fit"] = "on"
    for name, value in (job.spec.get("params") or {}).items():
        if value is not None and value is not False:
            filled[f"params-{name}"] = str(value)
    return filled

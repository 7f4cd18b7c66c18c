"""The model's receipt in a bundle: in the manifest, and as a section of `report.html`."""

from html import escape
from typing import Any

from jobs.engine import libraries
from jobs.engine.export.task import BuildTask


def entries(task: BuildTask) -> dict[str, Any]:
    """The manifest's `receipt`, `built_with` and `signed_by`.

    The receipt is that of the training. Of the build there are its libraries alone: when it ran, where, and what it
    took would make each build of the same model another file.
    """
    return {"receipt": task.receipt, "built_with": libraries.versions(), "signed_by": task.signed_by}


def section(manifest: dict[str, Any]) -> str:
    """HTML; every text in it is escaped. Empty for a model without a receipt."""
    receipt = manifest.get("receipt")
    if not receipt:
        return ""
    rows = [*_made_of(receipt), *_took(receipt.get("training"))]
    rows += [("Libraries", _versions(receipt.get("libraries") or {}))]
    rows += [("Exported with", _versions(manifest.get("built_with") or {}))]
    rows += [("Model, SHA-256", manifest["provenance"]["model_sha256"])]
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="name">{escape(text)}</td></tr>'
        for name, text in rows
        if text
    )
    told = "The same stands in manifest.json, which the portal has signed."
    return f'<h2>Receipt</h2><p><small>{told}</small></p><div class="wide"><table>{body}</table></div>'


def _made_of(receipt: dict[str, Any]) -> list[tuple[str, str]]:
    recipe, data = receipt.get("recipe"), receipt.get("data")
    if recipe:
        params = ", ".join(f"{name} {value}" for name, value in recipe["params"].items())
        rows = [("Recipe", f"{recipe['name']}: {params}" if params else recipe["name"])]
        if recipe.get("warm_start"):
            rows += [("Began from", f"model {recipe['warm_start']}")]
    else:
        rows = [("Recipe", "none: it was brought by a member")]
    if receipt.get("seed") is not None:
        rows += [("Seed", str(receipt["seed"]))]
    if data:
        rows += [("Data", f"dataset {data['dataset']}, version {data['version']}")]
        rows += [("Data, SHA-256", data["sha256"])]
    return [*rows, ("Code, SHA-256", receipt.get("code_version", ""))]


def _took(training: dict[str, Any] | None) -> list[tuple[str, str]]:
    if not training or not training["attempts"]:
        return []
    where = "; ".join(
        f"{attempt['node']} ({', '.join(attempt['accelerators']) or attempt['accelerator']})"
        for attempt in training["attempts"]
    )
    return [
        ("Trained on", where),
        ("Took", f"{training['device_seconds']:,.1f} device-seconds"),
        ("Energy", _energy(training)),
    ]


def _energy(training: dict[str, Any]) -> str:
    if training["energy_kwh"] is None:
        return "not known"
    how = "measured" if training["energy_measured"] else "estimated"
    least = "" if training["energy_known"] else "at least "
    return f"{least}{training['energy_kwh']:.3g} kWh, {how}"


def _versions(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(found.items()))

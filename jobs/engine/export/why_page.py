"""The part of `report.html` that says why the network answers so: what the training's report holds, drawn."""

import re
from collections.abc import Callable
from html import escape
from typing import Any

BASE64 = re.compile(r"[A-Za-z0-9+/=]+")
Found = dict[str, Any]
_COLUMNS = 30


def why(explanations: Any) -> str:
    """HTML of `explanations` as `jobs.engine.explain` writes them; empty for a report without them."""
    parts = (
        [part for part in explanations if isinstance(part, dict)] if isinstance(explanations, list) else []
    )
    drawn = "".join(DRAW[part["kind"]](part) for part in parts if part.get("kind") in DRAW)
    return f"<h2>Why it answers so</h2><p><small>{_ABOUT}</small></p>{drawn}" if drawn else ""


_ABOUT = "Of the network as it was trained, on test samples; the exported files are measured above."


def _maps(part: Found) -> str:
    tested = part["deletion"]
    verdict = "" if tested is None else _verdict(tested)
    items = "".join(_example(example) for example in part["examples"])
    return (
        "<h3>What it looked at</h3><p>Beside each picture, what its answer stands on: orange speaks for the answer, "
        f"blue against it ({escape(part['method'])}, against the same picture blurred).</p>{verdict}"
        f'<ul class="mistakes">{items}</ul>'
    )


def _verdict(tested: Found) -> str:
    told = (
        "the maps find what matters clearly sooner than chance"
        if tested["convincing"]
        else "<strong>do not rely on these maps: they are not clearly better than chance</strong>"
    )
    return (
        f"<p>Deletion test: {tested['score']:.2f}, in random order {tested['random']:.2f} "
        f"({tested['pictures']:d} pictures). It is how much of its sureness the answer loses while pixels are blurred "
        f"away, the map's strongest first, from 0 (nothing) to 1 (all at once): {told}.</p>"
    )


def _example(example: Found) -> str:
    picture = str(example["picture"])
    shown = (
        f'<img class="pair" alt="" src="data:image/webp;base64,{picture}">'
        if BASE64.fullmatch(picture)
        else ""
    )
    truth = "" if example["right"] else f", is {escape(example['label'])}"
    said = f"said {escape(example['predicted'])} ({example['confidence']:.0%}){truth}"
    return f'<li class="pair">{shown}<div>{escape(example["name"])}</div><small>{said}</small></li>'


def _mistakes(part: Found) -> str:
    rows = "".join(_class_of_mistakes(row) for row in part["classes"])
    if not rows:
        return ""
    more = part["classes_left_out"]
    left_out = f"<p><small>{more:d} more classes have mistakes.</small></p>" if more else ""
    return (
        '<h3>The surest mistakes, class by class</h3><div class="wide"><table><thead><tr><th scope="col">class</th>'
        f'<th scope="col">mistakes</th><th scope="col">surest</th></tr></thead><tbody>{rows}</tbody></table></div>'
        f"{left_out}"
    )


def _class_of_mistakes(row: Found) -> str:
    said = "<br>".join(
        f"{escape(answer['name'])}: said {escape(answer['predicted'])} ({answer['confidence']:.0%})"
        for answer in row["worst"]
    )
    return (
        f'<tr><th scope="row">{escape(row["label"])}</th><td>{row["mistakes"]:d} of {row["samples"]:d}</td>'
        f'<td class="name">{said}</td></tr>'
    )


def _importance(part: Found) -> str:
    shares = part["measure"] == "accuracy"
    unit = "accuracy" if shares else "root mean square error"

    def say(value: float) -> str:
        return f"{value:.1%}" if shares else f"{value:.4g}"

    rows = "".join(
        f'<tr><th scope="row">{escape(column["name"])}</th><td>{say(column["loss"])}</td>'
        f"<td>± {say(column['spread'])}</td></tr>"
        for column in part["columns"][:_COLUMNS]
    )
    return (
        f"<h3>Which columns matter</h3><p>How much worse the {unit} of {say(part['undisturbed'])} gets when a column's "
        f"values are shuffled among {part['rows']:d} test rows, {part['repeats']:d} times. Columns that tell the same "
        'share what they matter.</p><div class="wide"><table><thead><tr><th scope="col">column</th>'
        f'<th scope="col">worse by</th><th scope="col">spread</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _rules(part: Found) -> str:
    if part["measure"] == "agreement":
        worth = (
            f"{part['fidelity']:.1%} of its answers are the network's; one answer for all rows would have "
            f"{part['without_rules']:.1%}"
        )
    else:
        worth = f"R² {part['fidelity']:.3f} of the network's answers"
    items = "".join(f"<li>{_rule(rule)}</li>" for rule in part["rules"])
    return (
        "<h3>Rules that answer nearly alike</h3><p>A decision tree learned from the network's answers, and measured on "
        f"{part['rows']:d} test rows: {worth}. The network itself is not made of these rules.</p><ol>{items}</ol>"
    )


def _rule(rule: Found) -> str:
    asked = " and ".join(_condition(condition) for condition in rule["conditions"])
    answer = escape(rule["answer"]) if "answer" in rule else f"{rule['value']:.4g}"
    known = [f"{rule['rows']:.0%} of the rows"]
    if rule.get("agrees") is not None:
        known.append(f"the network says so for {rule['agrees']:.0%} of them")
    if rule.get("spread") is not None:
        known.append(f"its answers spread by ± {rule['spread']:.4g}")
    return f"{f'if {asked}' if asked else 'always'} → <strong>{answer}</strong> <small>({', '.join(known)})</small>"


def _condition(condition: Found) -> str:
    name = f"<strong>{escape(condition['column'])}</strong>"
    if "is" in condition:
        return f"{name} is “{escape(condition['is'])}”"
    if "is_not" in condition:
        others = " or ".join(f"“{escape(category)}”" for category in condition["is_not"])
        return f"{name} is not {others}"
    bounds = [
        f"{sign} {condition[key]:.4g}"
        for key, sign in (("above", "&gt;"), ("at_most", "≤"))
        if key in condition
    ]
    missing = condition.get("missing")
    if not bounds:
        return f"{name} {'is missing' if missing else 'has a value'}"
    return f"{name} {' and '.join(bounds)}{' or missing' if missing else ''}"


def _left_out(part: Found) -> str:
    return f"<p><small>{escape(part['of'])}: {escape(part['reason'])}</small></p>"


DRAW: dict[str, Callable[[Found], str]] = {
    "attribution-maps": _maps,
    "confident-mistakes": _mistakes,
    "permutation-importance": _importance,
    "surrogate-rules": _rules,
    "left-out": _left_out,
}

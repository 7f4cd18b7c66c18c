"""The ledger's pages: my month, how all stand, and for stewards the month's cost and all shares and quotas."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from portal.core import leases
from portal.kit.errors import UserError
from portal.kit.spreadsheets import csv_text
from portal.ledger import costs as month_costs
from portal.ledger import queries, statements
from portal.ledger.forms import QuotaRow, TeamShareRow
from portal.ledger.models import Donation, LedgerEntry, Quota, TeamShare
from portal.ledger.statements import Month
from portal.members.access import signed_in, signed_in_steward
from portal.members.models import Member, Team

ON_A_PAGE = 50
SHOWN = "-shown"  # how the name of a row's field ends that says what the row showed
STATEMENT_HEAD = (
    "time",
    "attempt",
    "class",
    "node",
    "device_hours",
    "weight",
    "energy_kwh",
    "measured",
    "refunded",
    "reason",
    "began",
    "given_hours",
)
COST_HEAD = ("member", "weighted_hours", "fraction", "cost")


def _month(text: str, request: HttpRequest) -> Month:
    """The month that is asked for; this one when it is none, with a message."""
    now = leases.clock()
    try:
        return statements.parse_month(text, now=now)
    except UserError as error:
        messages.error(request, error.detail)
        return statements.parse_month("", now=now)


@login_required
@require_safe
def statement(request: HttpRequest) -> HttpResponse:
    """What I used in a month, entry by entry."""
    found = statements.statement(signed_in(request), _month(request.GET.get("month", ""), request))
    return render(request, "ledger/statement.html", {"statement": found, "month": found.month})


@login_required
@require_safe
def statement_csv(request: HttpRequest) -> HttpResponse:
    """A row for each entry, and after them one for each day that a node of mine gave, which has `given_hours` and no
    `device_hours`.
    """
    found = statements.statement(signed_in(request), _month(request.GET.get("month", ""), request))
    rows = [*map(_entry_row, found.entries), *map(_given_row, found.donations)]
    return _csv(f"gristmill-{found.month.name}.csv", csv_text(STATEMENT_HEAD, rows))


def _entry_row(entry: LedgerEntry) -> tuple[object, ...]:
    return (
        entry.created_at.isoformat(timespec="seconds"),
        entry.attempt,
        entry.kind,
        entry.node,
        round(entry.hours, 6),
        entry.weight,
        "" if entry.energy_kwh is None else entry.energy_kwh,
        "yes" if entry.energy_measured else "no",
        "yes" if entry.refunded else "no",
        entry.reason,
        "" if entry.began_at is None else entry.began_at.isoformat(timespec="seconds"),
        "",
    )


def _given_row(day: Donation) -> tuple[object, ...]:
    hours = round(day.hours, 6)
    return (day.day.isoformat(), "", "", day.node, "", day.weight, "", "", "", "", "", hours)


def _csv(filename: str, text: str) -> HttpResponse:
    return HttpResponse(
        text,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )


@login_required
@require_safe
def shares(request: HttpRequest) -> HttpResponse:
    """How all who share the machine stand: what each is entitled to, used, gave, and who goes first for it."""
    page = Paginator(queries.everyones_stand(), ON_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "ledger/shares.html", {"page_obj": page})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def costs(request: HttpRequest) -> HttpResponse:
    """What a month cost the community, divided among those who used the machine. By GET another cost may be tried; by
    POST it is entered, once for all.
    """
    actor = signed_in_steward(request)
    if request.method != "POST":
        return _costs(request, _month(request.GET.get("month", ""), request), request.GET.get("cost", ""))
    month, seen = _month("", request), request.POST.get("seen", "")
    try:
        month = statements.parse_month(request.POST.get("month", ""), now=leases.clock())
        cents = month_costs.cents_of(request.POST.get("cost", ""))
        month_costs.enter(month, cents, actor=actor, seen=month_costs.cents_of(seen) if seen else None)
    except UserError as error:
        messages.error(request, error.detail)
        return _costs(request, month, "", status=400)
    messages.success(request, _("Entered. Each member finds their part on their statement."))
    return redirect(f"{request.path}?month={month.name}")


def _costs(request: HttpRequest, month: Month, tried: str, *, status: int = 200) -> HttpResponse:
    entered = statements.cost_of(month)
    cents = entered.cents if entered else 0
    try:
        cents = month_costs.cents_of(tried) if tried else cents
    except UserError as error:
        messages.error(request, error.detail)
    given = {
        "month": month,
        "parts": statements.cost_split(month, cents),
        "cost": Decimal(cents) / 100,
        "entered": entered,
        "is_new": bool(tried) and (entered is None or entered.cents != cents),
    }
    return render(request, "ledger/costs.html", given, status=status)


@login_required
@require_safe
def costs_csv(request: HttpRequest) -> HttpResponse:
    signed_in_steward(request)
    month, tried = _month(request.GET.get("month", ""), request), request.GET.get("cost", "")
    entered = statements.cost_of(month)
    try:
        cents = month_costs.cents_of(tried) if tried else entered.cents if entered else 0
    except UserError as error:
        return HttpResponse(error.detail, status=error.status, content_type="text/plain; charset=utf-8")
    parts = statements.cost_split(month, cents)
    rows = [
        (part.username, round(part.weighted_hours, 6), round(part.fraction, 6), part.amount) for part in parts
    ]
    return _csv(f"gristmill-cost-{month.name}.csv", csv_text(COST_HEAD, rows))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def quotas(request: HttpRequest) -> HttpResponse:
    """The shares of all members and teams, and the members' quotas, in one table, to be edited in place."""
    actor = signed_in_steward(request)
    members = Member.objects.filter(is_active=True).select_related("quota").order_by("username")
    page = Paginator(members, ON_A_PAGE).get_page(request.GET.get("page"))
    sent = {name.removesuffix(SHOWN) for name in request.POST if name.endswith(SHOWN)}
    if not sent:
        status = 400 if request.method == "POST" else 200
        return _table(request, page, _rows(page), _team_rows(Team.objects.all()), status=status)
    rows = _rows(
        Member.objects.filter(pk__in=sent).select_related("quota").order_by("username"), request.POST
    )
    team_rows = _team_rows(Team.objects.filter(pk__in=sent), request.POST)
    all_rows: list[QuotaRow | TeamShareRow] = [*rows, *team_rows]
    changed = [row for row in all_rows if row.has_changed()]
    if not all(row.is_valid() for row in changed):
        return _table(request, page, rows, team_rows, status=400)
    kept = sum(_keep(request, row, actor) for row in changed)
    if kept or not changed:
        messages.success(request, _("Saved.") if kept else _("There was nothing to change."))
    return redirect(f"{request.path}?page={page.number}")


def _table(
    request: HttpRequest,
    page: Page[Member],
    rows: Sequence[QuotaRow],
    team_rows: Sequence[TeamShareRow],
    *,
    status: int = 200,
) -> HttpResponse:
    context = {"page_obj": page, "rows": rows, "team_rows": team_rows}
    return render(request, "ledger/quotas.html", context, status=status)


def _rows(members: Iterable[Member], data: Any = None) -> list[QuotaRow]:
    """A form for each member; one without a row shows the defaults, and gets a row when something is changed."""
    return [QuotaRow(data, quota=getattr(one, "quota", None) or Quota(member=one)) for one in members]


def _team_rows(teams: QuerySet[Team], data: Any = None) -> list[TeamShareRow]:
    found = teams.select_related("machine_share").order_by("name")
    return [
        TeamShareRow(data, share=getattr(team, "machine_share", None) or TeamShare(team=team))
        for team in found
    ]


def _keep(request: HttpRequest, row: QuotaRow | TeamShareRow, actor: Member) -> bool:
    """Whether it was kept; else it is said why not, and what was typed."""
    try:
        row.keep(actor)
    except UserError as error:
        typed = ", ".join(f"{row.fields[name].label} {row.cleaned_data[name]}" for name in row.changed_data)
        messages.error(request, _("%(why)s You typed: %(what)s.") % {"why": error.detail, "what": typed})
        return False
    return True

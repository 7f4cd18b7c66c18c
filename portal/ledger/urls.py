"""Where this room's pages (`pages`) and its part of the API (`api`) are found."""

from django.urls import URLPattern, path

from portal.ledger import api as views
from portal.ledger import pages as ledger

pages: list[URLPattern] = [
    path("ledger", ledger.statement, name="statement"),
    path("ledger/statement.csv", ledger.statement_csv, name="statement-csv"),
    path("ledger/shares", ledger.shares, name="shares"),
    path("ledger/costs", ledger.costs, name="costs"),
    path("ledger/costs.csv", ledger.costs_csv, name="costs-csv"),
    path("ledger/quotas", ledger.quotas, name="quotas"),
]
api: list[URLPattern] = [
    path("me", views.MeView.as_view(), name="api-me"),
    path("me/statement", views.StatementView.as_view(), name="api-statement"),
]

"""Where this room's pages (`pages`) and its part of the API (`api`) are found."""

from django.urls import URLPattern, path

from portal.ledger import api as views

pages: list[URLPattern] = []
api: list[URLPattern] = [path("me", views.MeView.as_view(), name="api-me")]

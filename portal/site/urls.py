"""Where this room's pages (`pages`) and its part of the API (`api`) are found."""

from django.urls import URLPattern, path
from django.views.generic import RedirectView

from portal.site import account, views
from portal.site.metrics.views import metrics

pages: list[URLPattern] = [
    path("", views.home, name="home"),
    path("machine", views.machine, name="machine"),
    path("metrics", metrics, name="metrics"),
    path("account", account.account, name="account"),
    path("account/", RedirectView.as_view(pattern_name="account")),
    path("account/tokens", account.token_create, name="token-create"),
    path("account/tokens/<str:pk>/revoke", account.token_revoke, name="token-revoke"),
]
api: list[URLPattern] = []

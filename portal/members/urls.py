"""Where this room's pages (`pages`) and its part of the API (`api`) are found."""

from django.urls import URLPattern, path

from portal.members import views

pages: list[URLPattern] = [
    path("join/<str:secret>", views.join, name="join"),
    path("account/pending", views.pending, name="pending"),
    path("account/signup/", views.signup, name="account_signup"),
    path("account/password/reset/", views.password_reset, name="account_reset_password"),
]
api: list[URLPattern] = []

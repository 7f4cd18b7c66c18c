"""Where this room's pages (`pages`) and its part of the API (`api`) are found."""

from django.urls import URLPattern

pages: list[URLPattern] = []
api: list[URLPattern] = []

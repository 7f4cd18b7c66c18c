"""Where this room's pages (`pages`) and its part of the API (`api`) are found. The machine's page is the
site's.
"""

from django.urls import URLPattern, path

from hardware.nodes import api as rest

pages: list[URLPattern] = []
api: list[URLPattern] = [
    path("nodes", rest.NodeList.as_view(), name="api-nodes"),
    path("nodes/<str:pk>", rest.NodeDetail.as_view(), name="api-node"),
]

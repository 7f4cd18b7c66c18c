"""Where this room's pages (`pages`) and its part of the API (`api`) are found. The machine's page is the site's."""

from django.urls import URLPattern, path

from hardware.nodes import api as rest
from hardware.nodes import views

pages: list[URLPattern] = [
    path("machine/nodes/<str:pk>", views.node_detail, name="node-detail"),
    path("machine/nodes/<str:pk>/state", views.node_state, name="node-state"),
    path("machine/nodes/<str:pk>/windows", views.node_windows, name="node-windows"),
    path(
        "machine/nodes/<str:pk>/windows/<str:window>/cancel",
        views.node_window_cancel,
        name="node-window-cancel",
    ),
]
api: list[URLPattern] = [
    path("nodes", rest.NodeList.as_view(), name="api-nodes"),
    path("nodes/<str:pk>", rest.NodeDetail.as_view(), name="api-node"),
    path("nodes/<str:pk>/samples", rest.NodeSamples.as_view(), name="api-node-samples"),
    path("nodes/<str:pk>/accelerators", rest.AcceleratorList.as_view(), name="api-accelerators"),
    path(
        "nodes/<str:pk>/accelerators/<str:accelerator>",
        rest.AcceleratorDetail.as_view(),
        name="api-accelerator",
    ),
    path("nodes/<str:pk>/windows", rest.WindowList.as_view(), name="api-windows"),
    path("nodes/<str:pk>/windows/<str:window>", rest.WindowDetail.as_view(), name="api-window"),
]

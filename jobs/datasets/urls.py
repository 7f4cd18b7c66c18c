"""Where this room's pages (`pages`) and its part of the API (`api`) are found. Uploads in pieces are beside
Django.
"""

from django.urls import URLPattern, path

from jobs.datasets import api as calls
from jobs.datasets import views

pages: list[URLPattern] = [
    path("datasets", views.dataset_list, name="dataset-list"),
    path("datasets/new", views.dataset_new, name="dataset-new"),
    path("datasets/<str:dataset_id>", views.dataset_detail, name="dataset-detail"),
    path("datasets/<str:dataset_id>/delete", views.dataset_delete, name="dataset-delete"),
    path("datasets/<str:dataset_id>/versions/new", views.version_new, name="version-new"),
    path("datasets/<str:dataset_id>/versions/<int:number>/panel", views.version_panel, name="version-panel"),
    path("datasets/<str:dataset_id>/versions/<int:number>/again", views.version_again, name="version-again"),
    path(
        "datasets/<str:dataset_id>/versions/<int:number>/files/<str:name>",
        views.version_file,
        name="version-file",
    ),
]
api: list[URLPattern] = [
    path("datasets", calls.DatasetList.as_view(), name="api-datasets"),
    path("datasets/<str:dataset_id>", calls.DatasetDetail.as_view(), name="api-dataset"),
    path("datasets/<str:dataset_id>/versions", calls.VersionList.as_view(), name="api-versions"),
    path(
        "datasets/<str:dataset_id>/versions/<int:number>", calls.VersionDetail.as_view(), name="api-version"
    ),
]

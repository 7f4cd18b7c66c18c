"""Every address of the portal: the rooms' pages, the API under /api/v1, sign-in, the stewards' admin."""

from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from hardware.nodes import urls as nodes
from jobs.bundles import urls as bundles
from jobs.datasets import urls as datasets
from jobs.queue import urls as queue
from portal.core import problems
from portal.ledger import urls as ledger
from portal.members import urls as members
from portal.site import urls as site

ROOMS = (site, members, ledger, nodes, datasets, queue, bundles)

api = [
    *(pattern for room in ROOMS for pattern in room.api),
    path("schema", SpectacularAPIView.as_view(renderer_classes=[OpenApiJsonRenderer2]), name="api-schema"),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
]

urlpatterns = [
    *(pattern for room in ROOMS for pattern in room.pages),
    path("account/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include(api)),
    re_path("^api(?:/.*)?$", problems.not_found),
]

handler400 = problems.bad_request_page
handler404 = problems.not_found_page
handler500 = problems.error_page

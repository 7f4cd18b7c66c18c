"""Where this room's pages (`pages`), its part of the API (`api`) and its websockets are found."""

from typing import Any

from django.urls import URLPattern, path, re_path

from jobs.queue import api as calls
from jobs.queue import views
from jobs.queue.consumers import JobConsumer
from jobs.queue.replay import pages as replay

pages: list[URLPattern] = [
    path("jobs", views.job_list, name="job-list"),
    path("jobs/new", views.job_new, name="job-new"),
    path("jobs/<str:job_id>", views.job_detail, name="job-detail"),
    path("jobs/<str:job_id>/panel", views.job_panel, name="job-panel"),
    path("jobs/<str:job_id>/cancel", views.job_cancel, name="job-cancel"),
    path("jobs/<str:job_id>/stop", views.job_stop, name="job-stop"),
    path("jobs/<str:job_id>/requeue", views.job_requeue, name="job-requeue"),
    path("jobs/<str:job_id>/raise", views.job_raise, name="job-raise"),
    path("machine/replay", replay.replays, name="replays"),
    path("machine/replay/<str:pk>", replay.replay_detail, name="replay-detail"),
    path("machine/replay/<str:pk>/again", replay.replay_again, name="replay-again"),
]
api: list[URLPattern] = [
    path("recipes", calls.RecipeList.as_view(), name="api-recipes"),
    path("jobs", calls.JobList.as_view(), name="api-jobs"),
    path("jobs/<str:job_id>", calls.JobDetail.as_view(), name="api-job"),
    path("jobs/<str:job_id>/cancel", calls.JobCancel.as_view(), name="api-job-cancel"),
    path("jobs/<str:job_id>/stop", calls.JobStop.as_view(), name="api-job-stop"),
    path("jobs/<str:job_id>/wait", calls.JobWait.as_view(), name="api-job-wait"),
    path("jobs/<str:job_id>/metrics", calls.JobMetrics.as_view(), name="api-job-metrics"),
    path("jobs/<str:job_id>/logs", calls.JobLogs.as_view(), name="api-job-logs"),
    path("jobs/<str:job_id>/events", calls.JobEvents.as_view(), name="api-job-events"),
]

_job_socket: Any = JobConsumer.as_asgi()  # Django's stubs expect a view here
websockets: list[Any] = [re_path("^ws/jobs/(?P<job_id>[^/\\0]+)/?$", _job_socket, name="ws-job")]

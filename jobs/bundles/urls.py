"""Where this room's pages (`pages`) and its part of the API (`api`) are found."""

from django.urls import URLPattern, path

from jobs.bundles import api as rest
from jobs.bundles import views

pages: list[URLPattern] = [
    path("models", views.model_list, name="model-list"),
    path("models/new", views.model_new, name="model-new"),
    path("models/<str:pk>/delete", views.model_delete, name="model-delete"),
    path("models/<str:pk>/keras", views.model_keras, name="model-keras"),
    path("models/<str:pk>/pictures/<int:number>", views.model_picture, name="model-picture"),
    path("models/<str:pk>/bundles", views.bundle_build, name="bundle-build"),
    path("models/<str:pk>/try", views.model_try, name="model-try"),
    path("bundles/<str:pk>/files/<str:name>", views.bundle_file, name="bundle-file"),
    path("bundles/<str:pk>/download", views.bundle_download, name="bundle-download"),
    path("bundles/<str:pk>/evaluate", views.bundle_evaluate, name="bundle-evaluate"),
    path("jobs/<str:job_id>/evidence/<str:name>", views.evidence, name="job-evidence"),
]
api: list[URLPattern] = [
    path("models", rest.ModelList.as_view(), name="api-models"),
    path("models/<str:pk>", rest.ModelDetail.as_view(), name="api-model"),
    path("models/<str:pk>/keras", rest.ModelKeras.as_view(), name="api-model-keras"),
    path("models/<str:pk>/pictures/<int:number>", rest.ModelPicture.as_view(), name="api-model-picture"),
    path("bundles", rest.BundleList.as_view(), name="api-bundles"),
    path("bundles/<str:pk>", rest.BundleDetail.as_view(), name="api-bundle"),
    path("bundles/<str:pk>/download", rest.BundleDownload.as_view(), name="api-bundle-download"),
    path("bundles/<str:pk>/evaluate", rest.BundleEvaluate.as_view(), name="api-bundle-evaluate"),
    path("signing-key", rest.SigningKey.as_view(), name="api-signing-key"),
    path("signing-key/verify.py", rest.Verifier.as_view(), name="api-verifier"),
    path("targets", rest.TargetList.as_view(), name="api-targets"),
]

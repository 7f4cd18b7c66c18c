from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DatasetsConfig(AppConfig):
    name = "jobs.datasets"
    label = "datasets"
    verbose_name = _("Datasets")

    def ready(self) -> None:
        from jobs.datasets import queries  # models are there only now
        from portal.ledger.registry import count_storage

        count_storage(queries.storage_used)

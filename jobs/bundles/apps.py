from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BundlesConfig(AppConfig):
    name = "jobs.bundles"
    label = "bundles"
    verbose_name = _("Bundles")

    def ready(self) -> None:
        """Plug into the queue: builds and imports as kinds of job, and what a finished training yields."""
        from jobs.bundles import (
            bringing,
            building,
            evaluating,
            queries,
            services,
            together,
        )  # models load only after all apps are known
        from jobs.queue import kinds
        from portal.ledger.registry import count_storage

        kinds.register(building.KIND)
        kinds.register(bringing.KIND)
        kinds.register(evaluating.KIND)
        together.install()
        count_storage(queries.storage_used)
        kinds.extend(
            kinds.Extension(
                name=self.label,
                trained=services.record_trained,
                warm_start=services.warm_start,
                yields=queries.yields_of,
                panel=queries.panel_of,
            )
        )

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BundlesConfig(AppConfig):
    name = "jobs.bundles"
    label = "bundles"
    verbose_name = _("Bundles")

    def ready(self) -> None:
        """Plug into the queue: builds as a kind of job, and what a finished training yields."""
        from jobs.bundles import building, queries, services  # models load only after all apps are known
        from jobs.queue import kinds

        kinds.register(building.KIND)
        kinds.extend(
            kinds.Extension(
                name=self.label,
                trained=services.record_trained,
                warm_start=services.warm_start,
                yields=queries.yields_of,
                panel=queries.panel_of,
            )
        )

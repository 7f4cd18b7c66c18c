from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BundlesConfig(AppConfig):
    name = "jobs.bundles"
    label = "bundles"
    verbose_name = _("Bundles")

    def ready(self) -> None:
        """Plug into the queue: builds as a kind of job, and what a finished training yields."""
        from jobs.bundles import building, services  # models can't be imported before the apps are loaded
        from jobs.queue import kinds

        kinds.register(building.KIND)
        for registry, entry in (
            (kinds.TRAINED, services.record_trained),
            (kinds.WARM_STARTS, services.warm_start),
        ):
            if entry not in registry:
                registry.append(entry)

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class QueueConfig(AppConfig):
    name = "jobs.queue"
    label = "queue"
    verbose_name = _("Queue")

    def ready(self) -> None:
        from hardware.nodes import registry as nodes
        from jobs.datasets import registry as datasets
        from jobs.queue import kinds, queries, train
        from portal.ledger import registry as ledger

        train.install()
        nodes.use_classes(kinds.in_use)
        datasets.USERS.append(queries.uses_dataset)
        ledger.count_jobs(queries.running_jobs)
        ledger.count_held(queries.held)
        ledger.count_rivals(queries.rivals)

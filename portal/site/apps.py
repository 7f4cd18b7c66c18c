from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SiteConfig(AppConfig):
    name = "portal.site"
    label = "site"
    verbose_name = _("Site")

    def ready(self) -> None:
        """Make our Celery application the one that shared tasks belong to, in every process."""
        import portal.celery  # noqa: F401 - it reads the settings, so not before the apps are loaded

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MembersConfig(AppConfig):
    name = "portal.members"
    label = "members"
    verbose_name = _("Members")

    def ready(self) -> None:
        """Imports that need the models, which are not there when this module is loaded."""
        from allauth.account.decorators import secure_admin_login
        from django.contrib import admin
        from django.shortcuts import redirect

        from portal.members import signals

        signals.connect()
        admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
        # The house's own page limits guesses at the old password, and what it does is in the audit log.
        admin.site.password_change = lambda *_args, **_more: redirect("account_change_password")  # type: ignore[method-assign,assignment]

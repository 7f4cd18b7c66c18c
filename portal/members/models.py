"""The people of the cooperative, how they prove who they are, and what was done by whom."""

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken

from portal.core.models import Identified
from portal.kit.ids import new_id


class Member(AbstractUser):  # type: ignore[django-manager-missing]  # knox has no types
    """Someone who shares the machine. `is_staff` marks a steward; `is_active` is false until one approves."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    approved_at = models.DateTimeField(_("approved"), null=True, blank=True)
    about = models.CharField(_("what they want to do here"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints = [
            models.UniqueConstraint(
                Lower("username"),
                name="username_once_in_any_case",
                violation_error_message=_("There is a member of that name already."),
            )
        ]

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Stewards may do everything that the admin offers; others nothing there."""
        return self.is_active and (self.is_staff or super().has_perm(perm, obj))

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and (self.is_staff or super().has_module_perms(app_label))

    @property
    def role(self) -> str:
        """`steward` or `member`, as the API says it."""
        return "steward" if self.is_staff else "member"

    @property
    def is_pending(self) -> bool:
        """Signed up, and waits for a steward."""
        return not self.is_active and self.approved_at is None


class Team(Identified):
    """Members who share datasets with one another."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    members = models.ManyToManyField(Member, related_name="teams", blank=True)

    def __str__(self) -> str:
        return self.name


class Invitation(Identified):
    """A link that lets one person in without waiting for a steward. Of its secret only the hash is kept."""

    secret_sha256 = models.CharField(max_length=64, unique=True)
    note = models.CharField(_("for whom"), max_length=120, blank=True)
    steward = models.BooleanField(_("makes a steward"), default=False)
    created_by = models.ForeignKey(
        Member,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="invitations",
        verbose_name=_("made by"),
    )
    expires_at = models.DateTimeField(_("expires"))
    used_by = models.OneToOneField(
        Member, on_delete=models.SET_NULL, null=True, blank=True, related_name="invitation"
    )
    used_at = models.DateTimeField(_("used"), null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.note or self.pk

    @property
    def is_open(self) -> bool:
        """Whether somebody can still join by it."""
        return self.used_at is None and self.expires_at > timezone.now()


class ApiToken(AbstractAuthToken):  # type: ignore[misc]
    """A named API token. Only its hash is kept; it lives until revoked."""

    ref = models.CharField(max_length=26, default=new_id, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=80)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="token_name_once_per_member")]
        ordering = ["-ref"]

    def __str__(self) -> str:
        return self.name

    @property
    def id(self) -> str:
        """What names it in addresses: not the digest, which stays in the database."""
        return self.ref


class AuditEntry(Identified):
    """Something that was done to an account or by a steward. Never changed, never holds a secret."""

    actor = models.ForeignKey(Member, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    action = models.CharField(_("action"), max_length=60, db_index=True)
    subject = models.CharField(_("on what"), max_length=200, blank=True)
    detail = models.JSONField(_("detail"), default=dict, blank=True)

    class Meta:
        verbose_name_plural = _("audit entries")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}".strip()

"""What may be done to accounts: join, approve, invite, suspend. All of it is in the audit log."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from allauth.account import app_settings as allauth_settings
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.kit.errors import FieldError, UserError
from portal.members.models import AuditEntry, Invitation, Member

INVITATION_LIVES = timedelta(days=7)
SECRET_BYTES = 32
NOTE_LENGTH = 120


def audit(
    actor: Member | None,
    action: str,
    subject: object = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Note that `actor` (None: the command line, or unknown) did `action` to `subject`. Pass no secret."""
    limit = AuditEntry._meta.get_field("subject").max_length  # noqa: SLF001 - Django's documented introspection
    AuditEntry.objects.create(
        actor=actor, action=action, subject=str(subject)[:limit], detail=dict(detail or {})
    )


def audit_of_another(
    actor: Member, owner: Member, action: str, subject: object, detail: Mapping[str, Any] | None = None
) -> None:
    """Note what a steward does to another member's thing; what members do to their own is their affair."""
    if actor.pk != owner.pk:
        audit(actor, action, subject, {"owner": owner.username, **(detail or {})})


def changed_meanwhile(name: object) -> UserError:
    """What a steward is told who typed into a row that is another now than the page showed."""
    sentence = _(
        "Another steward has changed the row of %(name)s since you opened the page. It stays as they left it."
    )
    return UserError("changed_meanwhile", sentence % {"name": name}, status=409)


# -- Joining -----


def sha256_of(secret: str) -> str:
    """What is kept of an invitation's secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


@transaction.atomic
def sign_up(*, member: Member, invitation_sha256: str = "") -> Member:
    """Save a new account. It waits for a steward, or uses up the open invitation that is given.

    Raises UserError `name_taken` when somebody took the name a moment earlier.
    """
    member.is_active, member.is_staff, member.is_superuser = False, False, False
    _save_new(member)
    audit(member, "member.signed_up", member)
    if invitation_sha256 and (invitation := _use_up(member, invitation_sha256)):
        _approve(member)
        audit(member, "invitation.used", member, {"invitation": invitation.pk})
        if invitation.steward:
            _make_steward(member)
            audit(member, "steward.made", member, {"invitation": invitation.pk})
    return member


def _save_new(member: Member) -> None:
    try:
        with transaction.atomic():
            member.save(force_insert=True)
    except IntegrityError:
        detail = _("There is a member of that name already. Choose another name.")
        raise UserError("name_taken", detail, status=409, errors=[FieldError("username", detail)]) from None


def _use_up(member: Member, secret_sha256: str) -> Invitation | None:
    """Claim the invitation for `member`: of several who try at once, exactly one gets it."""
    now = timezone.now()
    open_one = Invitation.objects.filter(secret_sha256=secret_sha256, used_at=None, expires_at__gt=now)
    if not open_one.update(used_by=member, used_at=now):
        return None
    return Invitation.objects.get(secret_sha256=secret_sha256)


def open_invitation(secret: str) -> Invitation | None:
    """The invitation that this secret opens, if it is unused and has not expired."""
    invitation = Invitation.objects.filter(secret_sha256=sha256_of(secret)).first()
    return invitation if invitation and invitation.is_open else None


def create_member(
    *,
    name: str,
    password: str | None = None,
    steward: bool = False,
    actor: Member | None = None,
) -> Member:
    """An approved member at once. Without a password they need a link (`reset_link`) to choose one.

    Raises UserError `name_taken`, or `invalid` for a name that can't be one.
    """
    member = Member(username=name)
    if password is None:
        member.set_unusable_password()
    else:
        member.set_password(password)
    try:
        member.clean_fields()
    except ValidationError as error:
        detail = " ".join(error.messages)
        raise UserError("invalid", detail, errors=[FieldError("username", detail)]) from None
    with transaction.atomic():
        member.approved_at = timezone.now()
        _save_new(member)
        audit(actor, "member.created", member)
        if steward:
            _make_steward(member)
            audit(actor, "steward.made", member)
    return member


@transaction.atomic
def set_profile(*, member: Member, first_name: str, email: str) -> None:
    """What a member says of themselves. The address is the only one that they have."""
    old = Member.objects.values_list("email", flat=True).get(pk=member.pk)
    member.first_name, member.email = first_name, email
    member.save(update_fields=["first_name", "email"])
    if email.lower() == old.lower():
        return
    EmailAddress.objects.filter(user=member).delete()
    if email:
        EmailAddress.objects.create(user=member, email=email, primary=True, verified=False)
    audit(member, "email.changed", member)


# -- What stewards decide -----


def _approve(member: Member) -> bool:
    """Let a pending member in; False when they were in (or suspended) already. The update is the guard."""
    now = timezone.now()
    pending = Member.objects.filter(pk=member.pk, is_active=False, approved_at=None)
    if not pending.update(is_active=True, approved_at=now):
        return False
    member.is_active, member.approved_at = True, now
    return True


@transaction.atomic
def approve(*, actor: Member | None, member: Member) -> bool:
    """Let a pending member in; False when there was nothing to approve."""
    done = _approve(member)
    if done:
        audit(actor, "member.approved", member)
    return done


@transaction.atomic
def refuse(*, actor: Member, member: Member) -> bool:
    """Remove an account that was never approved; False for any other."""
    gone, _counts = Member.objects.filter(pk=member.pk, is_active=False, approved_at=None).delete()
    if gone:
        audit(actor, "member.refused", member)
    return bool(gone)


@transaction.atomic
def suspend(*, actor: Member, member: Member) -> bool:
    """Shut a member out at once: sessions and tokens stop working, what they own stays. False if they were.

    Raises UserError `last_steward`.
    """
    _keep_a_steward(member)
    done = bool(Member.objects.filter(pk=member.pk, is_active=True).update(is_active=False))
    if done:
        _end_sessions(member)
        audit(actor, "member.suspended", member)
    return done


def _end_sessions(member: Member) -> None:
    """Sign the member out everywhere: a session that was stolen must not come back with them."""
    theirs = [
        row.pk
        for row in Session.objects.filter(expire_date__gt=timezone.now()).iterator()
        if row.get_decoded().get(SESSION_KEY) == str(member.pk)
    ]
    Session.objects.filter(pk__in=theirs).delete()


@transaction.atomic
def reinstate(*, actor: Member, member: Member) -> bool:
    """Let a suspended member in again; False if they were not suspended."""
    out = Member.objects.filter(pk=member.pk, is_active=False, approved_at__isnull=False)
    done = bool(out.update(is_active=True))
    if done:
        audit(actor, "member.reinstated", member)
    return done


@transaction.atomic
def set_steward(*, actor: Member, member: Member, steward: bool) -> bool:
    """Make someone a steward or an ordinary member again; False if they were.

    Raises UserError `last_steward`, or `not_active` for someone who can't sign in.
    """
    if member.is_staff == steward:
        return False
    if not steward:
        _keep_a_steward(member)
        Member.objects.filter(pk=member.pk).update(is_staff=False, is_superuser=False)
        audit(actor, "steward.removed", member)
        return True
    if not member.is_active:
        raise UserError("not_active", _("Only a member who can sign in can become a steward."), status=409)
    _make_steward(member)
    audit(actor, "steward.made", member)
    return True


@transaction.atomic
def remove_second_factor(*, actor: Member, member: Member) -> bool:
    """For someone who lost their phone and their recovery codes; False when they had no second factor."""
    gone, _counts = Authenticator.objects.filter(user=member).delete()
    if gone:
        audit(actor, "second_factor.removed", member)
    return bool(gone)


def _make_steward(member: Member) -> None:
    Member.objects.filter(pk=member.pk).update(is_staff=True, is_superuser=True)
    member.is_staff = member.is_superuser = True
    _first_links().delete()


def _keep_a_steward(member: Member) -> None:
    """Rows are locked, so that the last two stewards can't remove each other at the same moment."""
    stewards = Member.objects.select_for_update().filter(is_staff=True, is_active=True)
    if {steward.pk for steward in stewards} == {member.pk}:
        detail = _("This is the last steward. Make someone else a steward first.")
        raise UserError("last_steward", detail, status=409)


# -- Links that are shown once -----


def absolute(path: str, base: str = "") -> str:
    """`path` under `base`, else the portal's public address, else the one it last started at (`manage.py up`)."""
    return (base or settings.PUBLIC_URL or _last_address()).rstrip("/") + path


def _last_address() -> str:
    try:
        return (Path(settings.HOME) / "run" / "address").read_text(encoding="utf-8").strip()
    except OSError:
        return "http://127.0.0.1:8000"


@transaction.atomic
def invite(
    *,
    actor: Member | None,
    note: str = "",
    steward: bool = False,
    expires_at: datetime | None = None,
) -> tuple[Invitation, str]:
    """A new invitation, and the path of its link. Only the hash of the secret in it is kept."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    invitation = Invitation.objects.create(
        secret_sha256=sha256_of(secret),
        note=note[:NOTE_LENGTH],
        steward=steward,
        created_by=actor,
        expires_at=expires_at or timezone.now() + INVITATION_LIVES,
    )
    audit(actor, "invitation.made", invitation, {"steward": steward, "invitation": invitation.pk})
    return invitation, reverse("join", args=[secret])


@transaction.atomic
def withdraw(*, actor: Member, invitation: Invitation) -> bool:
    """Make an unused invitation's link useless; False when it was used already."""
    gone, _counts = Invitation.objects.filter(pk=invitation.pk, used_at=None).delete()
    if gone:
        audit(actor, "invitation.withdrawn", invitation, {"invitation": invitation.pk})
    return bool(gone)


def _first_links() -> models.QuerySet[Invitation]:
    """Links for the very first steward: nobody made them, and they end with the first steward."""
    return Invitation.objects.filter(created_by=None, steward=True, used_at=None)


@transaction.atomic
def first_steward_link(base: str = "") -> str | None:
    """While there is no steward: a one-time link to become the first (older ones end). Else None."""
    if Member.objects.filter(is_staff=True, is_active=True).exists():
        return None
    _first_links().delete()
    _invitation, path = invite(actor=None, note=_("the first steward"), steward=True)
    return absolute(path, base)


def reset_link(*, actor: Member | None, member: Member) -> str:
    """The path of a one-time link by which `member` chooses a new password. It dies with its use, with the
    next sign-in, and after `PASSWORD_RESET_TIMEOUT`. It is kept nowhere: whoever asked for it hands it over.
    """
    key = allauth_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(member)
    audit(actor, "member.reset_link", member)
    return reverse(
        "account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(member), "key": key}
    )

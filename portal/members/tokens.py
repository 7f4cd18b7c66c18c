"""API tokens: made, found by what a caller sent, revoked. Only hashes are kept; they live until revoked."""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from knox.crypto import hash_token

from portal.kit.errors import FieldError, UserError
from portal.members.models import ApiToken, Member
from portal.members.services import audit

MOST_PER_MEMBER = 100
NOTE_USE_EVERY = timedelta(minutes=1)
LONGEST = 200
SCHEME = "token"


def create(*, member: Member, name: str, actor: Member | None = None) -> tuple[ApiToken, str]:
    """A new token of `member`, and its text, which can't be had again.

    Raises UserError `invalid` (no name, or too long), `name_taken` or `too_many_tokens`.
    """
    name = _checked(name)
    try:
        with transaction.atomic():
            _refuse_too_many(member)
            token, text = ApiToken.objects.create(user=member, name=name)
            audit(actor or member, "token.created", f"{member} · {name}")
    except IntegrityError:
        detail = _("You have a token of that name already. Choose another name.")
        raise UserError("name_taken", detail, status=409, errors=[FieldError("name", detail)]) from None
    return token, text


def _refuse_too_many(member: Member) -> None:
    """The member's row is locked, so that of several at once none is too many."""
    Member.objects.select_for_update().get(pk=member.pk)
    if member.auth_token_set.count() >= MOST_PER_MEMBER:
        detail = _("You have %(most)s tokens, which is the most. Revoke one that is not used.")
        raise UserError("too_many_tokens", detail % {"most": MOST_PER_MEMBER}, status=409)


def _checked(name: str) -> str:
    name = name.strip()
    longest = ApiToken._meta.get_field("name").max_length or 0  # noqa: SLF001 - Django's documented introspection
    if not name or len(name) > longest:
        detail = _("Give the token a name of at most %(longest)s characters.") % {"longest": longest}
        raise UserError("invalid", detail, errors=[FieldError("name", detail)])
    return name


def free_name(*, member: Member, stem: str) -> str:
    """`stem`, or `stem 2`, `stem 3`, …: the first that none of the member's tokens has."""
    taken = set(member.auth_token_set.filter(name__startswith=stem).values_list("name", flat=True))
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem} {number}"
    return name


@transaction.atomic
def revoke(*, token: ApiToken, actor: Member | None) -> None:
    """End the token: the next request with it is refused."""
    gone, _counts = ApiToken.objects.filter(pk=token.pk).delete()
    if gone:
        audit(actor, "token.revoked", f"{token.user} · {token.name}")


def find(text: str) -> ApiToken | None:
    """The token of that text, with its member, if both are in force. One query; use noted once a minute."""
    if not text or len(text) > LONGEST:
        return None
    token: ApiToken | None = ApiToken.objects.select_related("user").filter(pk=hash_token(text)).first()
    if token is None or not token.user.is_active:
        return None
    _note_use(token)
    return token


def find_by_header(authorization: str) -> ApiToken | None:
    """`find` for an `Authorization` header's value (None for other schemes), outside of REST framework."""
    scheme, _space, text = authorization.strip().partition(" ")
    return find(text.strip()) if scheme.lower() == SCHEME else None


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at and token.last_used_at > now - NOTE_USE_EVERY:
        return
    due = Q(last_used_at=None) | Q(last_used_at__lte=now - NOTE_USE_EVERY)
    ApiToken.objects.filter(due, pk=token.pk).update(last_used_at=now)

"""Reads of members."""

from allauth.account.models import EmailAddress

from portal.members.models import Member


def has_email(email: str, *, other_than: Member) -> bool:
    """Whether somebody else has that mail address, in any case."""
    return (
        Member.objects.filter(email__iexact=email).exclude(pk=other_than.pk).exists()
        or EmailAddress.objects.filter(email__iexact=email).exclude(user=other_than).exists()
    )

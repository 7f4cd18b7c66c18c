"""The forms of the account pages."""

from typing import TYPE_CHECKING

from allauth.account.forms import SignupForm as AllauthSignupForm
from django import forms
from django.utils.translation import gettext_lazy as _

from portal.members.models import ApiToken, Member
from portal.members.queries import has_email

if TYPE_CHECKING:  # Django's own class takes no type argument
    MemberForm = forms.ModelForm[Member]
else:
    MemberForm = forms.ModelForm


class SignupForm(AllauthSignupForm):  # type: ignore[misc]
    """Sign-up, with a word for the steward who decides."""

    about = forms.CharField(
        label=_("What would you like to do here?"),
        help_text=_("A sentence for the steward who lets you in."),
        max_length=Member._meta.get_field("about").max_length,  # noqa: SLF001 - documented introspection
        widget=forms.Textarea(attrs={"rows": 3}),
        required=False,
    )


class TokenForm(forms.Form):
    """A new API token's name."""

    name = forms.CharField(
        label=_("Name"),
        help_text=_("Where it will be used, as in “laptop” or “the Pi in the barn”."),
        max_length=ApiToken._meta.get_field("name").max_length,  # noqa: SLF001 - documented introspection
    )


class ProfileForm(MemberForm):
    """What a member may change of themselves."""

    class Meta:
        model = Member
        fields = ["first_name", "email"]
        labels = {"first_name": _("What we call you"), "email": _("Mail address")}
        help_texts = {"email": _("Optional. For a new password when you forgot yours.")}

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).lower()
        if email and has_email(email, other_than=self.instance):
            raise forms.ValidationError(_("Another member has this mail address."))
        return email

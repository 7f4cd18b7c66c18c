"""`/metrics` in a steward's browser. The monitoring asks with a token of its own: see `portal.site.probes`."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.members.models import Member
from portal.site.metrics import exposition

NOT_SIGNED_IN, NOT_A_STEWARD = 401, 403


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures for a steward; others are told in a line who may read them."""
    member = request.user
    if isinstance(member, Member) and member.is_active and member.is_staff:
        body, kind = exposition.render(request.headers.get("Accept", ""))
        return HttpResponse(body, content_type=kind)
    status = NOT_A_STEWARD if isinstance(member, Member) else NOT_SIGNED_IN
    answer = HttpResponse("For stewards, or with the monitoring's token.\n", "text/plain", status)
    if status == NOT_SIGNED_IN:
        answer["WWW-Authenticate"] = 'Bearer realm="metrics"'
    return answer

"""Who may what: one row for each route, thing and method, and one column for each kind of person.

`owner` is Alice, whose things are asked for; `other` a member who shares nothing with her; `team` one of her team;
`steward` one who runs the machine; `outside` all who are not let in: a visitor, a revoked token (or a session that was
ended), one who waits for approval, one who was suspended. An entry is a status, or `login`: to the sign-in page.
HEAD answers as GET does. What is not listed is 405 (401 for outsiders of the API; pages may send them to sign in).
"""

from dataclasses import dataclass

LOGIN = "login"

PAGES = """
route                                             thing      method  owner other team steward outside

/                                                 -          GET     200   200   200  200     200
machine                                           -          GET     200   200   200  200     login
machine/nodes/<str:pk>                            node       GET     200   200   200  200     login
machine/nodes/<str:pk>/state                      node       POST    403   403   403  302     login
machine/nodes/<str:pk>/windows                    node       POST    403   403   403  400     login
machine/nodes/<str:pk>/windows/<str:window>/cancel  node     POST    403   403   403  302     login
machine/replay                                    -          GET     403   403   403  200     login
machine/replay                                    -          POST    403   403   403  400     login
machine/replay/<str:pk>                           replay     GET     403   403   403  200     login
machine/replay/<str:pk>/again                     replay     POST    403   403   403  302     login
ledger                                            -          GET     200   200   200  200     login
ledger/statement.csv                              -          GET     200   200   200  200     login
ledger/shares                                     -          GET     200   200   200  200     login
ledger/costs                                      -          GET     403   403   403  200     login
ledger/costs                                      -          POST    403   403   403  400     login
ledger/costs.csv                                  -          GET     403   403   403  200     login
ledger/quotas                                     -          GET     403   403   403  200     login
ledger/quotas                                     -          POST    403   403   403  400     login
account                                           -          GET     200   200   200  200     login
account                                           -          POST    302   302   302  302     login
account/                                          -          GET     302   302   302  302     302
account/                                          -          POST    302   302   302  302     302
account/tokens                                    -          POST    400   400   400  400     login
account/tokens/<str:pk>/revoke                    token      POST    302   404   404  404     login
join/<str:secret>                                 -          GET     302   302   302  302     302
account/pending                                   -          GET     200   200   200  200     200

datasets                                          -          GET     200   200   200  200     login
datasets/new                                      -          GET     200   200   200  200     login
datasets/new                                      -          POST    400   400   400  400     login
datasets/<str:dataset_id>                         private    GET     200   404   404  200     login
datasets/<str:dataset_id>                         team       GET     200   404   200  200     login
datasets/<str:dataset_id>                         community  GET     200   200   200  200     login
datasets/<str:dataset_id>/delete                  private    POST    302   404   404  302     login
datasets/<str:dataset_id>/delete                  team       POST    302   404   403  302     login
datasets/<str:dataset_id>/delete                  community  POST    302   403   403  302     login
datasets/<str:dataset_id>/versions/new            private    GET     200   404   404  200     login
datasets/<str:dataset_id>/versions/new            private    POST    400   404   404  400     login
datasets/<str:dataset_id>/versions/new            team       GET     200   404   403  200     login
datasets/<str:dataset_id>/versions/new            team       POST    400   404   403  400     login
datasets/<str:dataset_id>/versions/new            community  GET     200   403   403  200     login
datasets/<str:dataset_id>/versions/new            community  POST    400   403   403  400     login
datasets/<str:dataset_id>/versions/<int:number>/panel  private    GET     200   404   404  200     login
datasets/<str:dataset_id>/versions/<int:number>/panel  team       GET     200   404   200  200     login
datasets/<str:dataset_id>/versions/<int:number>/panel  community  GET     200   200   200  200     login
datasets/<str:dataset_id>/versions/<int:number>/again  private    POST    302   404   404  302     login
datasets/<str:dataset_id>/versions/<int:number>/again  team       POST    302   404   403  302     login
datasets/<str:dataset_id>/versions/<int:number>/again  community  POST    302   403   403  302     login
datasets/<str:dataset_id>/versions/<int:number>/files/<str:name>  private    GET  200  404  404  200  login
datasets/<str:dataset_id>/versions/<int:number>/files/<str:name>  team       GET  200  404  200  200  login
datasets/<str:dataset_id>/versions/<int:number>/files/<str:name>  community  GET  200  200  200  200  login

jobs                                              -          GET     200   200   200  200     login
jobs/new                                          -          GET     200   200   200  200     login
jobs/new                                          -          POST    400   400   400  400     login
jobs/<str:job_id>                                 queued     GET     200   404   404  200     login
jobs/<str:job_id>                                 ended      GET     200   404   404  200     login
jobs/<str:job_id>/panel                           ended      GET     200   404   404  200     login
jobs/<str:job_id>/cancel                          queued     POST    302   404   404  302     login
jobs/<str:job_id>/stop                            queued     POST    302   404   404  302     login
jobs/<str:job_id>/requeue                         queued     POST    403   404   404  302     login
jobs/<str:job_id>/raise                           queued     POST    403   404   404  302     login
models                                            -          GET     200   200   200  200     login
models/new                                        -          GET     200   200   200  200     login
models/new                                        -          POST    400   400   400  400     login
models/<str:pk>/delete                            model      POST    302   404   404  302     login
models/<str:pk>/keras                             model      GET     200   404   404  200     login
models/<str:pk>/pictures/<int:number>             model      GET     200   404   404  200     login
models/<str:pk>/try                               model      GET     200   404   404  200     login
models/<str:pk>/bundles                           model      POST    302   404   404  302     login
bundles/<str:pk>/files/<str:name>                 bundle     GET     200   404   404  200     login
bundles/<str:pk>/download                         bundle     GET     200   404   404  200     login
bundles/<str:pk>/evaluate                         circuit    POST    302   404   404  302     login
jobs/<str:job_id>/evidence/<str:name>             ended      GET     404   404   404  404     login

account/login/                                    -          GET     302   302   302  302     200
account/login/                                    -          POST    302   302   302  302     200
account/logout/                                   -          GET     200   200   200  200     302
account/logout/                                   -          POST    302   302   302  302     302
account/inactive/                                 -          GET     200   200   200  200     200
account/signup/                                   -          GET     302   302   302  302     200
account/signup/                                   -          POST    302   302   302  302     200
account/reauthenticate/                           -          GET     200   200   200  200     login
account/reauthenticate/                           -          POST    200   200   200  200     login
account/email/                                    -          GET     200   200   200  200     login
account/email/                                    -          POST    302   302   302  302     login
account/confirm-email/                            -          GET     200   200   200  200     200
account/password/change/                          -          GET     200   200   200  200     login
account/password/change/                          -          POST    200   200   200  200     login
account/password/set/                             -          GET     302   302   302  302     login
account/password/set/                             -          POST    302   302   302  302     login
account/password/reset/                           -          GET     200   200   200  200     200
account/login/code/confirm/                       -          GET     302   302   302  302     login
account/login/code/confirm/                       -          POST    302   302   302  302     login
account/^confirm-email/(?P<key>[-:\\w]+)/$         -          GET     200   200   200  200     200
account/^confirm-email/(?P<key>[-:\\w]+)/$         -          POST    404   404   404  404     404
account/password/reset/key/done/                  -          GET     200   200   200  200     200
account/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$  -  GET   200  200  200  200  200
account/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$  -  POST  200  200  200  200  200
account/password/reset/done/                      -          GET     200   200   200  200     200
account/2fa/                                      -          GET     200   200   200  200     login
account/2fa/authenticate/                         -          GET     302   302   302  302     login
account/2fa/authenticate/                         -          POST    302   302   302  302     login
account/2fa/reauthenticate/                       -          GET     302   302   302  302     login
account/2fa/reauthenticate/                       -          POST    302   302   302  302     login
account/2fa/totp/activate/                        -          GET     302   302   302  302     login
account/2fa/totp/activate/                        -          POST    302   302   302  302     login
account/2fa/totp/deactivate/                      -          GET     404   404   404  404     login
account/2fa/totp/deactivate/                      -          POST    404   404   404  404     login
account/2fa/recovery-codes/                       -          GET     404   404   404  404     login
account/2fa/recovery-codes/generate/              -          GET     302   302   302  302     login
account/2fa/recovery-codes/generate/              -          POST    302   302   302  302     login
account/2fa/recovery-codes/download/              -          GET     404   404   404  404     login
account/2fa/recovery-codes/download/              -          POST    404   404   404  404     login

admin/                                            -          GET     login login login 200    login
admin/                                            -          POST    login login login 200    login
admin/search/                                     -          GET     login login login 200    login
admin/search/                                     -          POST    login login login 200    login
admin/login/                                      -          GET     403   403   403  302     login
admin/login/                                      -          POST    403   403   403  200     login
admin/logout/                                     -          GET     302   302   302  405     302
admin/logout/                                     -          POST    302   302   302  200     302
admin/password_change/                            -          GET     login login login 302    login
admin/password_change/                            -          POST    login login login 302    login
admin/password_change/done/                       -          GET     login login login 200    login
admin/password_change/done/                       -          POST    login login login 405    login
admin/autocomplete/                               -          GET     login login login 403    login
admin/autocomplete/                               -          POST    login login login 405    login
admin/jsi18n/                                     -          GET     login login login 200    login
admin/jsi18n/                                     -          POST    login login login 405    login
admin/r/<path:content_type_id>/<path:object_id>/  -          GET     login login login 404    login
admin/r/<path:content_type_id>/<path:object_id>/  -          POST    login login login 404    login
admin/^(?P<app_label>{rooms})/$                   -          GET     login login login 200    login
admin/^(?P<app_label>{rooms})/$                   -          POST    login login login 200    login
admin/(?P<url>.*)$                                -          GET     login login login 404    login
admin/(?P<url>.*)$                                -          POST    login login login 404    login
"""

API = """
route                                       thing      method  owner other team steward outside

api/v1/me                                   -          GET     200   200   200  200     401
api/v1/me/statement                         -          GET     200   200   200  200     401
api/v1/nodes                                -          GET     200   200   200  200     401
api/v1/nodes/<str:pk>                       node       GET     200   200   200  200     401
api/v1/nodes/<str:pk>                       node       PATCH   403   403   403  200     401
api/v1/nodes/<str:pk>                       node       PUT     403   403   403  405     401
api/v1/nodes/<str:pk>                       node       POST    403   403   403  405     401
api/v1/nodes/<str:pk>                       node       DELETE  403   403   403  405     401
api/v1/nodes/<str:pk>                       node       BREW    403   403   403  405     401
api/v1/nodes/<str:pk>                       node       TRACE   403   403   403  405     401
api/v1/nodes/<str:pk>/samples               node       GET     200   200   200  200     401
api/v1/nodes/<str:pk>/accelerators          node       POST    403   403   403  400     401
api/v1/nodes/<str:pk>/accelerators          node       PUT     403   403   403  405     401
api/v1/nodes/<str:pk>/accelerators          node       PATCH   403   403   403  405     401
api/v1/nodes/<str:pk>/accelerators          node       DELETE  403   403   403  405     401
api/v1/nodes/<str:pk>/accelerators          node       BREW    403   403   403  405     401
api/v1/nodes/<str:pk>/accelerators          node       TRACE   403   403   403  405     401
api/v1/nodes/<str:pk>/accelerators/<str:accelerator>  node  DELETE  403  403  403  204  401
api/v1/nodes/<str:pk>/accelerators/<str:accelerator>  node  PUT  403  403  403  405  401
api/v1/nodes/<str:pk>/accelerators/<str:accelerator>  node  PATCH  403  403  403  405  401
api/v1/nodes/<str:pk>/accelerators/<str:accelerator>  node  POST  403  403  403  405  401
api/v1/nodes/<str:pk>/accelerators/<str:accelerator>  node  BREW  403  403  403  405  401
api/v1/nodes/<str:pk>/accelerators/<str:accelerator>  node  TRACE  403  403  403  405  401
api/v1/nodes/<str:pk>/windows                node       GET     200   200   200  200     401
api/v1/nodes/<str:pk>/windows                node       POST    403   403   403  201     401
api/v1/nodes/<str:pk>/windows                node       PUT     403   403   403  405     401
api/v1/nodes/<str:pk>/windows                node       PATCH   403   403   403  405     401
api/v1/nodes/<str:pk>/windows                node       DELETE  403   403   403  405     401
api/v1/nodes/<str:pk>/windows                node       BREW    403   403   403  405     401
api/v1/nodes/<str:pk>/windows                node       TRACE   403   403   403  405     401
api/v1/nodes/<str:pk>/windows/<str:window>  node  DELETE  403  403  403  204  401
api/v1/nodes/<str:pk>/windows/<str:window>  node  PUT  403  403  403  405  401
api/v1/nodes/<str:pk>/windows/<str:window>  node  PATCH  403  403  403  405  401
api/v1/nodes/<str:pk>/windows/<str:window>  node  POST  403  403  403  405  401
api/v1/nodes/<str:pk>/windows/<str:window>  node  BREW  403  403  403  405  401
api/v1/nodes/<str:pk>/windows/<str:window>  node  TRACE  403  403  403  405  401
api/v1/datasets                             -          GET     200   200   200  200     401
api/v1/datasets                             -          POST    201   201   201  201     401
api/v1/datasets/<str:dataset_id>            private    GET     200   404   404  200     401
api/v1/datasets/<str:dataset_id>            team       GET     200   404   200  200     401
api/v1/datasets/<str:dataset_id>            community  GET     200   200   200  200     401
api/v1/datasets/<str:dataset_id>            private    DELETE  409   404   404  409     401
api/v1/datasets/<str:dataset_id>            team       DELETE  204   404   403  204     401
api/v1/datasets/<str:dataset_id>            community  DELETE  204   403   403  204     401
api/v1/datasets/<str:dataset_id>/versions   private    POST    202   404   404  202     401
api/v1/datasets/<str:dataset_id>/versions   team       POST    202   404   403  202     401
api/v1/datasets/<str:dataset_id>/versions   community  POST    202   403   403  202     401
api/v1/datasets/<str:dataset_id>/versions/<int:number>  private    GET  200  404  404  200  401
api/v1/datasets/<str:dataset_id>/versions/<int:number>  team       GET  200  404  200  200  401
api/v1/datasets/<str:dataset_id>/versions/<int:number>  community  GET  200  200  200  200  401
api/v1/recipes                              -          GET     200   200   200  200     401
api/v1/jobs                                 -          GET     200   200   200  200     401
api/v1/jobs                                 private    POST    201   404   404  201     401
api/v1/jobs                                 team       POST    201   404   201  201     401
api/v1/jobs                                 community  POST    201   201   201  201     401
api/v1/jobs/<str:job_id>                    queued     GET     200   404   404  200     401
api/v1/jobs/<str:job_id>                    ended      GET     200   404   404  200     401
api/v1/jobs/<str:job_id>/cancel             queued     POST    202   404   404  202     401
api/v1/jobs/<str:job_id>/cancel             ended      POST    409   404   404  409     401
api/v1/jobs/<str:job_id>/stop               queued     POST    409   404   404  409     401
api/v1/jobs/<str:job_id>/wait               queued     GET     200   404   404  200     401
api/v1/jobs/<str:job_id>/metrics            ended      GET     200   404   404  200     401
api/v1/jobs/<str:job_id>/logs               ended      GET     200   404   404  200     401
api/v1/jobs/<str:job_id>/events             ended      GET     200   404   404  200     401
api/v1/models                               -          GET     200   200   200  200     401
api/v1/models                               -          POST    202   202   202  202     401
api/v1/models                               private    POST    202   404   404  202     401
api/v1/models                               team       POST    202   404   202  202     401
api/v1/models                               community  POST    202   202   202  202     401
api/v1/models/<str:pk>                      model      GET     200   404   404  200     401
api/v1/models/<str:pk>                      model      DELETE  409   404   404  409     401
api/v1/models/<str:pk>                      brought    GET     200   404   404  200     401
api/v1/models/<str:pk>                      brought    DELETE  204   404   404  204     401
api/v1/models/<str:pk>/keras                model      GET     200   404   404  200     401
api/v1/models/<str:pk>/pictures/<int:number> model     GET     200   404   404  200     401
api/v1/bundles                              -          GET     200   200   200  200     401
api/v1/bundles                              model      POST    201   404   404  201     401
api/v1/bundles/<str:pk>                     bundle     GET     200   404   404  200     401
api/v1/bundles/<str:pk>/download            bundle     GET     200   404   404  200     401
api/v1/bundles/<str:pk>/evaluate            circuit    POST    202   404   404  202     401
api/v1/signing-key                          -          GET     200   200   200  200     401
api/v1/signing-key/verify.py                -          GET     200   200   200  200     401
api/v1/targets                              -          GET     200   200   200  200     401
api/v1/schema                               -          GET     200   200   200  200     200
api/v1/docs                                 -          GET     200   200   200  200     200
^api(?:/.*)?$                               -          GET     404   404   404  404     404
^api(?:/.*)?$                               -          POST    404   404   404  404     404
^api(?:/.*)?$                               -          PUT     404   404   404  404     404
^api(?:/.*)?$                               -          PATCH   404   404   404  404     404
^api(?:/.*)?$                               -          DELETE  404   404   404  404     404
^api(?:/.*)?$                               -          OPTIONS 404   404   404  404     404
^api(?:/.*)?$                               -          TRACE   404   404   404  404     404
^api(?:/.*)?$                               -          BREW    404   404   404  404     404
"""

UPLOADS = """
route      thing      method  owner other team steward outside

uploads    private    POST    201   404   404  201     401
uploads    team       POST    201   404   403  201     401
uploads    community  POST    201   403   403  201     401
uploads    -          OPTIONS 204   204   204  204     204
uploads/1  upload     HEAD    200   404   404  200     401
uploads/1  upload     GET     200   404   404  200     401
uploads/1  upload     PATCH   204   404   404  204     401
uploads/1  upload     DELETE  204   404   404  204     401
uploads/1  upload     OPTIONS 204   204   204  204     204
"""

ADMIN = {
    "members/member": {"change"},
    "members/team": {"add", "change", "delete"},
    "members/invitation": {"add"},
    "members/apitoken": set(),
    "members/auditentry": set(),
    "ledger/ledgerentry": {"add"},
    "ledger/donation": set(),
    "nodes/node": {"change"},
    "nodes/maintenancewindow": {"add", "delete"},
    "datasets/dataset": set(),
    "datasets/version": set(),
    "datasets/upload": set(),
    "queue/job": set(),
    "bundles/trainedmodel": set(),
    "bundles/bundle": set(),
}
"""What a steward may do in the admin with the rows of each model, besides looking at them. Others do nothing."""

OPEN_TO_ALL = ("api/v1/schema", "api/v1/docs")
BESIDE = {"metrics": "portal.site.probes answers its token, tests/access/test_beside.py the rest"}


@dataclass(frozen=True)
class Row:
    """What each person gets for one method on one route with one of Alice's things in it."""

    route: str
    thing: str
    method: str
    owner: str
    other: str
    team: str
    steward: str
    outside: str

    def expected(self, person: str) -> str:
        return str(getattr(self, person, self.outside))


def rows(text: str) -> list[Row]:
    lines = [line.split() for line in text.strip().splitlines()[1:] if line.strip()]
    return [Row(route.replace("-/-", "") if route != "/" else "", *rest) for route, *rest in lines]


def admin_rows() -> list[Row]:
    """The rows of every model's pages in the admin."""
    found = []
    for model, may in ADMIN.items():
        one = f"admin/{model}/<path:object_id>/"
        added = "200" if "add" in may else "403"
        changed = "200" if "change" in may else "403"
        deleted = "200" if "delete" in may else "403"
        pages = [
            (f"admin/{model}/", "200", "200"),
            (f"admin/{model}/add/", added, added),
            (f"{one}history/", "200", "200"),
            (f"{one}delete/", deleted, deleted),
            (f"{one}change/", "200", changed),
            (one, "302", "302"),
        ]
        for route, get, post in pages:
            found += [
                Row(route, model, method, LOGIN, LOGIN, LOGIN, status, LOGIN)
                for method, status in (("GET", get), ("POST", post))
            ]
    return found


def everything() -> list[Row]:
    """Every row of Django's routes."""
    rooms = "|".join(dict.fromkeys(model.partition("/")[0] for model in ADMIN))
    return [*rows(PAGES.replace("{rooms}", rooms)), *admin_rows(), *rows(API)]

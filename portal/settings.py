"""Settings. Every deployment runs this file; what differs comes from the environment and is checked at start.

State lives in one folder, `GRISTMILL_HOME`. Without further settings that is everything: SQLite, an embedded Redis
and local files. `DATABASE_URL` and `REDIS_URL` point at servers of your own.
"""

import secrets
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from portal.core import databases
from portal.core.stores import place
from portal.core.telemetry import logs, turning
from portal.kit import env, keep, names

django_stubs_ext.monkeypatch()  # so that generic classes of Django take their type arguments at run time

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = (BASE_DIR / env.text("GRISTMILL_HOME", "var")).resolve()
HOME.mkdir(parents=True, exist_ok=True, mode=0o700)


def kept_secret(name: str) -> str:
    """The secret of that name in the home folder, made on first use and readable by us alone."""
    return keep.kept(HOME / "secrets" / name, lambda: secrets.token_urlsafe(48).encode()).decode("ascii")


DEBUG = env.boolean("GRISTMILL_DEBUG", default=False)
SECRET_KEY = env.secret("GRISTMILL_SECRET_KEY") or kept_secret("django-secret-key")
PUBLIC_URL = env.text("GRISTMILL_URL", "")
HTTPS = PUBLIC_URL.startswith("https://")
BEHIND_PROXY = env.boolean("GRISTMILL_BEHIND_PROXY", default=False)  # of one, which is trusted; never of more
ALLOWED_HOSTS = env.words("GRISTMILL_HOSTS", urlsplit(PUBLIC_URL).hostname or "") or names.of_this_machine()
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL.rstrip("/")] if PUBLIC_URL else []

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "channels",
    "csp",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "knox",
    "rest_framework",
    "portal.core",
    "portal.members",
    "portal.ledger",
    "hardware.nodes",
    "jobs.datasets",
    "jobs.queue",
    "jobs.bundles",
    "portal.site",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.core.middleware.ContentPolicy",
    "portal.core.middleware.PageMethods",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.core.middleware.PlainPaths",
    "portal.core.telemetry.observe.Noted",
]

APPEND_SLASH = False
ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.ledger.context.quota",
            ],
        },
    },
]


# -- Database ---------------------------------------------------------------------------------------------------------

DATABASES = {"default": databases.of(env.secret("DATABASE_URL"), home=HOME)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- Redis: Celery's messages, live updates, throttle counters --------------------------------------------------------

REDIS_SOCKET = HOME / "run" / "redis.sock"
REDIS_URL = env.secret("REDIS_URL") or f"unix://{REDIS_SOCKET}"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 5, "socket_connect_timeout": 2}]},
    }
}
CACHES = {
    "default": {
        "BACKEND": "portal.core.cache.ForgivingCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_timeout": 5, "socket_connect_timeout": 2},
    }
}

# -- People -----------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "members.Member"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = reverse_lazy("account_login")
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_ADAPTER = "portal.members.adapter.AccountAdapter"
ACCOUNT_FORMS = {"signup": "portal.members.forms.SignupForm"}
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_RATE_LIMITS = {  # by account (key) and by address; while Redis is away each process counts for itself
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "signup": "20/m/ip",
    "reset_password": "10/m/ip,3/m/key",
    "reset_password_from_key": "20/m/ip",
    "reauthenticate": "10/m/user",
    "change_password": "5/m/user",
}
JOIN_TRIES = "20/minute"  # of invitations, by address
BAD_TOKENS = env.text("GRISTMILL_BAD_TOKENS", "300/minute")  # of one address
ALLAUTH_TRUSTED_PROXY_COUNT = int(BEHIND_PROXY)
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = "Gristmill"
KNOX_TOKEN_MODEL = "members.ApiToken"  # noqa: S105 - the name of a model
MIGRATION_MODULES = {"knox": None}  # its own table is not ours, and would stand empty with a key to members
REST_KNOX = {"TOKEN_TTL": None, "AUTO_REFRESH": False, "AUTH_HEADER_PREFIX": "Token", "TOKEN_PREFIX": "gm_"}
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 14 * 24 * 3600  # since the last sign-in
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"

EMAIL_HOST = env.text("GRISTMILL_MAIL_HOST")
EMAIL_PORT = env.integer("GRISTMILL_MAIL_PORT", 587)
EMAIL_HOST_USER = env.text("GRISTMILL_MAIL_USER")
EMAIL_HOST_PASSWORD = env.secret("GRISTMILL_MAIL_PASSWORD")
EMAIL_USE_TLS = env.boolean("GRISTMILL_MAIL_TLS", default=True)
DEFAULT_FROM_EMAIL = env.text("GRISTMILL_MAIL_FROM", "gristmill@localhost")
MAIL_CONFIGURED = bool(EMAIL_HOST)
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if MAIL_CONFIGURED
    else "django.core.mail.backends.console.EmailBackend"
)

# -- API --------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "portal.members.authentication.TokenAuthentication",
        "portal.members.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["portal.core.api.JsonBody"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "portal.core.api.AlwaysJson",
    "DEFAULT_PAGINATION_CLASS": "portal.core.api.NewestFirst",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["portal.core.api.WriteThrottle", "portal.core.api.ReadThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "write": env.text("GRISTMILL_API_WRITES", "1000/minute"),
        "read": env.text("GRISTMILL_API_READS", "6000/minute"),
    },
    "EXCEPTION_HANDLER": "portal.core.problems.handle",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS is a method like any other that is not there
    "NUM_PROXIES": int(BEHIND_PROXY),  # whose word on the caller's address is taken
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "TITLE": "Gristmill",
    "DESCRIPTION": (
        "The cooperative's machine from a script: upload, train, take home.\n\n"
        "Lists come in pages: follow `next`. Errors are `application/problem+json` (RFC 9457) with a stable `code`. "
        "Large files are uploaded by tus under `/api/v1/uploads`. A job is watched live over the WebSocket "
        "`/ws/jobs/{id}`, with the same `Authorization` header: its messages are JSON objects whose `type` is "
        "`status`, `progress`, `metric` or `log`."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "jobs.datasets.tus_schema.add_uploads",
        "portal.core.schema.add_problems",
    ],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "ENUM_NAME_OVERRIDES": {
        "JobStatus": "jobs.queue.reasons.Status",
        "VersionState": "jobs.datasets.models.VersionState",
        "ModelState": "jobs.bundles.models.ModelState",
        "BundleState": "jobs.bundles.models.BundleState",
        "NodeState": "hardware.nodes.models.NodeState",
        "AcceleratorKind": "hardware.nodes.models.AcceleratorKind",
    },
}

# -- Celery: wake-ups only, acknowledged at once; the database owns the work ------------------------------------------

CELERY = {
    "broker_url": REDIS_URL.replace("unix://", "redis+socket://", 1),
    "task_ignore_result": True,
    "task_acks_late": False,
    "task_serializer": "json",
    "accept_content": ["json"],
    "worker_prefetch_multiplier": 1,
    "worker_hijack_root_logger": False,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # Whoever sends a wake-up tries once: kombu would wait 6 s for a broker that is away, whatever `retry` says.
    "broker_transport_options": {"socket_timeout": 10, "socket_connect_timeout": 2, "max_retries": 0},
    "task_default_queue": "gristmill",
    "timezone": "UTC",
}

# -- Pages ------------------------------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    },
}
# The admin's Alpine evaluates what stands in its attributes, and its widgets style themselves.
ADMIN_CONTENT_POLICY = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "portal" / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = HOME / "static"
STATIC_ROOT.mkdir(exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# -- Storage: what members bring and take home, in the home's folder or in a bucket that several homes share -----------

if bucket := place.bucket():
    STORAGES["blobs"] = bucket
BLOB_CACHE_MB = env.integer("GRISTMILL_S3_CACHE_MB", 20_480)
ACCEL = env.boolean("GRISTMILL_ACCEL", default=False)
SIGNING_KEY = env.secret("GRISTMILL_SIGNING_KEY").replace("\\n", "\n")  # on one line in files of variables
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024**2
# Where the blobs have a mount of their own, an upload must grow there: what is complete is renamed.
UPLOADS_FOLDER = env.text("GRISTMILL_UPLOADS", "uploads")
FILE_UPLOAD_TEMP_DIR = HOME / UPLOADS_FOLDER
FILE_UPLOAD_TEMP_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
FILE_UPLOAD_HANDLERS = ["jobs.datasets.bodies.BodyHandler"]
UPLOAD_MAX_BYTES = env.integer("GRISTMILL_UPLOAD_MAX_BYTES", 200 * 1024**3)

# -- Security ---------------------------------------------------------------------------------------------------------

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_SSL_REDIRECT = HTTPS and env.boolean("GRISTMILL_TLS_REDIRECT", default=True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS

# -- Work -------------------------------------------------------------------------------------------------------------

NODE_NAME = env.text("GRISTMILL_NODE", socket.gethostname())
JOB_MEMORY_MB = env.integer("GRISTMILL_JOB_MEMORY_MB", 8192)
JOB_DISK_MB = env.integer("GRISTMILL_JOB_DISK_MB", 20_480)
NODE_DISK_RESERVE_MB = env.integer("GRISTMILL_NODE_DISK_RESERVE_MB", 512)
NODE_CACHE_MB = env.integer("GRISTMILL_NODE_CACHE_MB", 51_200)
HUNG_AFTER_S = env.integer("GRISTMILL_HUNG_AFTER_S", 900)
VALIDATION_MEMORY_MB = env.integer("GRISTMILL_VALIDATION_MEMORY_MB", 2048)
VALIDATION_MINUTES = env.integer("GRISTMILL_VALIDATION_MINUTES", 30)

# -- Watching over it: logs and figures -------------------------------------------------------------------------------

METRICS_TOKEN = env.secret("GRISTMILL_METRICS_TOKEN")
LOG_LEVEL = env.choice("GRISTMILL_LOG_LEVEL", "info", ("debug", "info", "warning", "error")).upper()
LOG_FORMAT = env.choice("GRISTMILL_LOG_FORMAT", "line", ("line", "json"))
LOG_FILES = turning.Size(
    env.integer("GRISTMILL_LOG_FILE_MB", 20, minimum=1) * 1024**2,
    env.integer("GRISTMILL_LOG_FILES", 5, minimum=1),
)
LOGGING = logs.config(level=LOG_LEVEL, form=LOG_FORMAT, files=LOG_FILES)

UNFOLD = {
    "SITE_TITLE": "Gristmill",
    "SITE_HEADER": "Gristmill",
    "SITE_SYMBOL": "grain",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("build/mark.svg")}
    ],
    "SITE_URL": "/",
    "COLORS": {  # the accent of the member pages, so that stewards know the house
        "primary": {
            "50": "oklch(98.5% .014 85)",
            "100": "oklch(95.5% .04 85)",
            "200": "oklch(91% .08 84)",
            "300": "oklch(86% .12 83)",
            "400": "oklch(80% .14 80)",
            "500": "oklch(72% .14 76)",
            "600": "oklch(55% .115 72)",
            "700": "oklch(47% .1 70)",
            "800": "oklch(40% .08 68)",
            "900": "oklch(34% .065 66)",
            "950": "oklch(24% .045 64)",
        },
    },
}

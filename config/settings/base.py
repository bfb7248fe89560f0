"""Settings shared by every environment; values come through ``config.env`` only."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

from apps import origins
from config.env import Environment
from config.first_start import run_folder
from config.listeners import problems as listener_problems

env = Environment()
BASE_DIR = Path(__file__).resolve().parents[2]
HOME = env.folder("HOME", BASE_DIR / "var")

# --- Sealwright: one dictionary, units in the names, validated by apps.*.checks -----------
SEALWRIGHT: dict[str, Any] = {
    "HOME": HOME,
    "HTTPS_PORT": env.port("HTTPS_PORT", 8443),
    "HTTP_PORT": env.port("HTTP_PORT", 8080),
    # Where the plain listener answered before: certificates name it until they expire.
    "FORMER_HTTP_PORTS": env.ports("FORMER_HTTP_PORTS"),
    "BIND": env.address("BIND", "127.0.0.1"),
    "WORKERS": env.integer("WORKERS", 2, low=1, high=64),
    "THREADS": env.integer("THREADS", 4, low=1, high=64),
    # Beyond those that work: for requests that wait, and one for probes (apps.web.concurrency).
    "SPARE_THREADS": 4,
    # Socket of the application, cache and temporary files of the front server.
    "RUN_FOLDER": env.folder("RUN_FOLDER", run_folder(HOME)),
    # Account of the front server's workers where it is started by root.
    "FRONT_USER": env.text("FRONT_USER", "www-data"),
    # Limits for one client address; 0 switches one off.
    "CONNECTIONS_PER_ADDRESS": env.integer("CONNECTIONS_PER_ADDRESS", 512, low=0, high=65535),
    "REQUESTS_PER_SECOND": env.integer("REQUESTS_PER_SECOND", 2000, low=0, high=1_000_000),
    "ACCESS_LOG": env.file("ACCESS_LOG"),
    # Proxies in front of us: who they are, where they come in, how they report clients.
    "TRUSTED_PROXIES": env.networks("TRUSTED_PROXIES"),
    "PROXY_BIND": env.endpoint("PROXY_BIND"),
    "PROXY_CLIENT_CERTIFICATE": env.choice(
        "PROXY_CLIENT_CERTIFICATE", "off", ("off", "escaped-pem", "rfc9440", "xfcc")
    ),
    "PROXY_SECRET": env.secret("PROXY_SECRET"),
    # "optional" lets TLS clients show a certificate of one of our authorities (for EST);
    # off by default, because browsers that hold such a certificate would ask about it.
    "TLS_CLIENT_CERTIFICATES": env.choice("TLS_CLIENT_CERTIFICATES", "off", ("off", "optional")),
    # Files so that the key-encryption key never shares a backup with the database.
    "KEK_FILE": env.path("KEK_FILE", HOME / "keys" / "kek.json"),
    "KEK": env.keys("KEK"),
    "MAX_BODY_BYTES": env.integer("MAX_BODY_BYTES", 1024 * 1024, low=1024, high=64 * 1024 * 1024),
    "TOKEN_LIFETIME_DAYS": env.integer("TOKEN_LIFETIME_DAYS", 90, low=1, high=365),
    # These per server process and with bursts of the same size; 0 switches a limit off.
    "API_RATE_PER_MINUTE": env.integer("API_RATE_PER_MINUTE", 12_000, low=0, high=10_000_000),
    "AUTH_FAILURES_PER_MINUTE": env.integer("AUTH_FAILURES_PER_MINUTE", 120, low=0, high=1_000_000),
    # RSA keys that the server makes for one application; each costs up to a second of a core.
    "RSA_KEYS_PER_MINUTE": env.integer("RSA_KEYS_PER_MINUTE", 60, low=0, high=1_000_000),
    "PKCS12_FILES_PER_MINUTE": env.integer("PKCS12_FILES_PER_MINUTE", 60, low=0, high=1_000_000),
    # Sign-in: attempts without a wait for one account from one address, for one address, and for
    # one account from everywhere. Each further one doubles the wait, up to the longest.
    "LOGIN_FREE_TRIES": env.integer("LOGIN_FREE_TRIES", 5, low=1, high=100),
    "LOGIN_ADDRESS_FREE_TRIES": env.integer("LOGIN_ADDRESS_FREE_TRIES", 20, low=1, high=10_000),
    "LOGIN_ACCOUNT_FREE_TRIES": env.integer("LOGIN_ACCOUNT_FREE_TRIES", 50, low=1, high=10_000),
    "LOGIN_MAX_WAIT_S": env.integer("LOGIN_MAX_WAIT_S", 900, low=1, high=86_400),
    # How long a request may wait for the client's proof before the worker takes over; 0 = never.
    "ACME_INLINE_VALIDATION_MS": env.integer("ACME_INLINE_VALIDATION_MS", 1500, low=0, high=10_000),
    # How long a signed OCSP answer may be shown to others; it is renewed at half of that.
    "OCSP_LIFETIME_HOURS": env.integer("OCSP_LIFETIME_HOURS", 12, low=1, high=240),
    "SIGNING_TIMEOUT_S": env.integer("SIGNING_TIMEOUT_S", 120, low=5, high=3600),
}
env.problems += listener_problems(SEALWRIGHT)
_bind = SEALWRIGHT["BIND"]
SEALWRIGHT["PUBLIC_URL"] = env.origin(
    "PUBLIC_URL",
    origins.for_listener("https", _bind, SEALWRIGHT["HTTPS_PORT"], "localhost"),
    schemes=origins.TLS,
)
# Where the first was reached before; ACME accounts and DNS records from then stay good.
SEALWRIGHT["FORMER_PUBLIC_URLS"] = env.origins("FORMER_PUBLIC_URLS")
# In certificates a host is a fully qualified name or an address (RFC 5280 section 4.2.1.6),
# which "localhost" is not.
SEALWRIGHT["PKI_URL"] = env.origin(
    "PKI_URL", origins.for_listener("http", _bind, SEALWRIGHT["HTTP_PORT"], "127.0.0.1")
)

SECRET_KEY = env.text("SECRET_KEY")
DEBUG = False
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
ALLOWED_HOSTS.append(origins.host_of(SEALWRIGHT["PUBLIC_URL"]))
ALLOWED_HOSTS += map(origins.host_of, SEALWRIGHT["FORMER_PUBLIC_URLS"])
CSRF_TRUSTED_ORIGINS = [SEALWRIGHT["PUBLIC_URL"]]

INSTALLED_APPS = [
    "apps.accounts",
    "apps.audit",
    "apps.jobs",
    "apps.keys",
    "apps.authorities",
    "apps.policies",
    "apps.profiles",
    "apps.applications",
    "apps.certificates",
    "apps.enrollment",
    "apps.operations",
    "apps.site.apps.SealwrightAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "knox",
    "guardian",
    "django_q",
    "csp",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MIDDLEWARE = [
    # Before anything looks at addresses or the scheme.
    "apps.web.forwarded.read_forwarded",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "apps.web.machine_paths.MachineMiddleware",
    "apps.web.middleware.trace_requests",
    "apps.web.concurrency.limit_concurrency",
    "apps.web.middleware.bound_requests",
    "apps.web.middleware.CommonMiddleware",
    # For people with browsers only; requests on machine paths pass them by.
    "apps.web.machine_paths.BrowserCSPMiddleware",
    "apps.web.machine_paths.BrowserSessionMiddleware",
    "apps.web.machine_paths.BrowserCsrfMiddleware",
    "apps.web.machine_paths.BrowserAuthenticationMiddleware",
    "apps.web.machine_paths.BrowserMessageMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
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
            ],
        },
    },
]

# --- Database --------------------------------------------------------------------------
_database = env.database("DATABASE_URL", f"sqlite:///{HOME / 'sealwright.sqlite3'}")
if _database["ENGINE"].endswith("sqlite3"):
    # WAL and IMMEDIATE: readers never wait, writers queue instead of failing half-way.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        # A writer waits no longer for another one: requests that only read need the threads.
        "timeout": 5,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA temp_store=MEMORY;",
    }
else:
    _database["CONN_HEALTH_CHECKS"] = True
    # Django switches preparing off. Above this number of runs psycopg prepares by itself, which is
    # never; the statements that ask for it are prepared (``apps.statements.execution``).
    # Within seconds it shows that the server, or the network to it, is gone; what the URL says
    # goes first. libpq's user timeout (in ms) counts from data that nobody acknowledges.
    _database["OPTIONS"] = {
        "connect_timeout": 10,
        "tcp_user_timeout": 15_000,
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    } | _database.get("OPTIONS", {})
    _database["OPTIONS"]["prepare_threshold"] = 2**31
# django-q2 closes stale connections on every enqueue; with 0 it would reconnect each time.
_database["CONN_MAX_AGE"] = 600
# A refusal must not roll back its own audit row, and no key is used inside a transaction.
_database["ATOMIC_REQUESTS"] = False
DATABASES = {"default": _database}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "sealwright_cache",
    },
    # Each django-q2 cluster reports itself twice a second; that is no reason to write to disk.
    "cluster_status": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}

# --- People ----------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "apps.accounts.backends.LockoutBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None
GUARDIAN_RAISE_403 = False
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 14},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "__Host-session"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-csrf"
LOGIN_URL = "admin:login"

# --- Browser ---------------------------------------------------------------------------
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# Browsers apply it to every port of the host: on localhost it would break other programs.
SECURE_HSTS_SECONDS = env.integer(
    "HSTS_SECONDS",
    365 * 86400 if origins.is_everywhere(SEALWRIGHT["PUBLIC_URL"]) else 0,
    low=0,
    high=2 * 365 * 86400,
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = False
SECURE_SSL_REDIRECT = False
SILENCED_SYSTEM_CHECKS = [
    "security.W003",  # the CSRF middleware is there, in a subclass that skips machine paths
    "security.W005",  # subdomains of our host name may be other people's servers
    "security.W008",  # nothing to redirect: the plain listener serves public PKI files on purpose
    "security.W021",  # preload lists are for public sites
]
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}

# --- API -------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.applications.tokens.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["apps.web.throttle.CallerThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.web.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "apps.web.openapi.ResourceSchema",
    "EXCEPTION_HANDLER": "apps.web.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    # ?format= names the file format of a download, not a renderer.
    "URL_FORMAT_OVERRIDE": None,
}
REST_KNOX = {
    "AUTH_HEADER_PREFIX": "Bearer",
    "TOKEN_PREFIX": "swt_",
    "TOKEN_TTL": timedelta(days=SEALWRIGHT["TOKEN_LIFETIME_DAYS"]),
    "TOKEN_MODEL": "applications.ApiToken",
}
# Knox's migrations make its own token table even where another model has taken its place.
MIGRATION_MODULES = {"knox": None}
KNOX_TOKEN_MODEL = "applications.ApiToken"  # noqa: S105 - a model's name
SPECTACULAR_SETTINGS = {
    "TITLE": "Sealwright API",
    "DESCRIPTION": "Certificate lifecycle management: request, evaluate, download and revoke.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "TAGS": [
        {"name": name, "description": text}
        for name, text in (
            ("acme", "ACME as a team manages it: endpoints, EAB keys, accounts and orders."),
            ("applications", "Applications, their members and the profiles attached to them."),
            ("audit-events", "The audit log: who did what to which object, and when."),
            ("authorities", "Authorities, their certificates and CRLs."),
            ("certificate-requests", "Requests: made, evaluated, approved, denied, withdrawn."),
            ("certificates", "The inventory: downloaded, exported, renewed and revoked."),
            ("jobs", "Background work, for product administrators."),
            ("machine-identities", "Identities of programs, which sign in by tokens."),
            ("pki-urls", "Addresses under which CRLs, OCSP and CA certificates are published."),
            ("policies", "Rules about what certificates may contain, with their versions."),
            ("policy-presets", "Policies and profiles to start from."),
            ("profiles", "Authority, policy and defaults: what certificates are requested under."),
            ("root", "Where to start: the resources, and who is asking."),
            ("tokens", "Bearer tokens of people and machine identities."),
        )
    ],
    "COMPONENT_SPLIT_REQUEST": True,
    # Every body has a description of its own, so what it requires is true for PATCH as well.
    "COMPONENT_SPLIT_PATCH": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.web.openapi.complete",
    ],
    # One name for each set of choices, wherever it is used.
    "ENUM_NAME_OVERRIDES": {
        "AcmeAccountStatus": "apps.enrollment.acme.api.serializers.ACCOUNT_STATUSES",
        "AcmeAuthorizationStatus": "apps.enrollment.acme.api.serializers.AUTHORIZATION_STATUSES",
        "AcmeChallengeStatus": "apps.enrollment.acme.api.serializers.CHALLENGE_STATUSES",
        "AcmeChallengeType": "apps.enrollment.acme.api.serializers.CHALLENGE_TYPES",
        "AcmeOrderStatus": "apps.enrollment.acme.api.serializers.ORDER_STATUSES",
        "AuthorityKind": "apps.authorities.models.AuthorityKind",
        "AuthorityState": "apps.authorities.models.AuthorityState",
        "CertificateState": "apps.certificates.models.CertificateState",
        "RequestState": "apps.certificates.models.RequestState",
        "JobState": "apps.jobs.models.JobState",
        "KeyAlgorithm": "apps.web.serializers.KEY_ALGORITHMS",
        "MemberKind": "apps.applications.api.serializers.MEMBER_KINDS",
        "RevocationReason": "apps.web.serializers.REVOCATION_REASONS",
        "SubjectAltNameType": "pki.template.SAN_TYPES",
        "SubjectAttribute": "pki.template.SUBJECT_ATTRIBUTES",
    },
}

# --- Jobs ------------------------------------------------------------------------------
# retry > timeout + worst queue wait, or django-q2 runs a task twice; a failed task is
# acknowledged at once because retries, backoff and state live in our own Job rows.
Q_CLUSTER = {
    "name": "sealwright",
    "orm": "default",
    "workers": env.integer("TASK_WORKERS", 2, low=1, high=32),
    "timeout": 300,
    "retry": 900,
    "ack_failures": True,
    "max_attempts": 1,
    # Successes are on record in our own rows; only the engine's failures are kept.
    "save_limit": -1,
    "cache": "cluster_status",
    "bulk": 10,
    "queue_limit": 20,
    "poll": 0.5,
    "catch_up": False,
    "recycle": 500,
    "time_zone": "UTC",
}

# --- Static files, time, logs ------------------------------------------------------------
STATIC_URL = "/static/"
# Made from code, not data: every data directory of one checkout shares it.
STATIC_ROOT = env.path("STATIC_ROOT", BASE_DIR / "staticfiles")
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = ["config.formats"]
USE_I18N = False
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
DATA_UPLOAD_MAX_MEMORY_SIZE = SEALWRIGHT["MAX_BODY_BYTES"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "redact": {"()": "apps.web.logs.RedactSecrets"},
        "trace": {"()": "apps.web.logs.AddTraceId"},
        "refused_host": {"()": "apps.web.logs.ExplainRefusedHost"},
        "brief": {"()": "apps.web.logs.BriefFaults"},
    },
    "formatters": {
        "line": {
            "format": "{asctime} {levelname} {name} [{trace_id}] {message}",
            "style": "{",
        },
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["trace", "brief", "redact"],
        },
    },
    "root": {"handlers": ["console"], "level": env.choice("LOG_LEVEL", "info", LOG_LEVELS).upper()},
    "loggers": {
        "django.security.DisallowedHost": {"filters": ["refused_host"]},
        "django.server": {"handlers": ["console"], "propagate": False},
        # It tells of every task; what became of the work stands in our own rows.
        "django-q": {"level": "WARNING"},
    },
}
env.refuse_unknown()

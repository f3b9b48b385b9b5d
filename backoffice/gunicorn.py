"""Settings of the web server, read by `gunicorn --config python:backoffice.gunicorn`. Sized by the environment."""

import os

from django.conf import settings

from backoffice.settings.environment import env

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backoffice.settings.production")

bind = env("WEB_BIND", default="0.0.0.0:8000")
workers = env.int("WEB_WORKERS", default=2)
threads = settings.WEB_THREADS
worker_class = "gthread"
timeout = 60
graceful_timeout = env.int("WEB_STOP_SECONDS", default=20)  # below the 30 that ECS waits before it kills
keepalive = 75  # longer than the load balancer's 60, so that it never sends into a connection that we close
limit_request_line = 8190  # the most that it takes; keys have 1,024 bytes, and nine characters each three in addresses
max_requests = 5000  # bounds what a leak can take
max_requests_jitter = 500
control_socket_disable = True  # nothing to write it to, and nobody to use it
# gunicorn gives its logger a handler and a format of its own, unless it is named here.
logconfig_dict = {
    **settings.LOGGING,
    "loggers": {**settings.LOGGING["loggers"], "gunicorn.error": {"level": "INFO", "handlers": ["console"]}},
}

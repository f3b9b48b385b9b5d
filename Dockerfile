# syntax=docker/dockerfile:1
# One image for web, worker and one-off tasks; docs/operations.md. A release pins the base by its digest:
# --build-arg BASE=docker.io/library/python:3.11-slim-bookworm@sha256:…
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /app
# The lock alone, so that this layer is built again only when a dependency changes. Wheels only: there is no compiler.
COPY requirements/production.txt requirements/
RUN python3 -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary=:all: --require-hashes \
        -r requirements/production.txt \
    && /venv/bin/pip uninstall --yes pip setuptools
COPY manage.py ./
COPY templates templates
COPY backoffice backoffice
COPY media_catalog media_catalog
# The settings want values even for this step, which uses none of them.
RUN export DJANGO_SETTINGS_MODULE=backoffice.settings.production SECRET_KEY=build ALLOWED_HOSTS=build \
        DATABASE_URL=sqlite:////tmp/unused REDIS_URL=redis://unused \
    && /venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
    && /venv/bin/python -m compileall -q backoffice media_catalog

# Development only: the local cloud of compose.yaml.
FROM ${BASE} AS localcloud
WORKDIR /app
COPY requirements/localcloud.txt requirements/
RUN python3 -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary=:all: --require-hashes \
        -r requirements/localcloud.txt \
    && mkdir --mode=0777 /data
COPY manage.py ./
COPY templates templates
COPY backoffice backoffice
COPY media_catalog media_catalog
COPY localcloud localcloud
ENV PYTHONUNBUFFERED=1 DJANGO_SETTINGS_MODULE=backoffice.settings.development DATA_DIR=/data
USER 10001:10001
EXPOSE 4566
CMD ["/venv/bin/python", "manage.py", "localcloud", "--host", "0.0.0.0"]

FROM ${BASE} AS application
RUN groupadd --gid 10001 app \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin app
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
# The only place that can be written to. ECS gives it the owner and mode that it has here.
VOLUME ["/tmp"]
ENV PATH=/venv/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    DATA_DIR=/tmp/data \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=backoffice.settings.production
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# Of the web process. The worker is asked by `manage.py worker_health`: compose.yaml, the task definitions.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "--config", "python:backoffice.gunicorn", "backoffice.wsgi"]

# Each target installs what it needs into .venv first. Needs Python 3.11 or later, git and make.
PYTHON ?= python3
LAMBDA_PYTHON ?= 3.13
BIN := .venv/bin
STAMP := .venv/installed
PEERS := .venv-bench

.DEFAULT_GOAL := help
.PHONY: help run test test-postgres test-moto check coverage lint image-check deploy deploy-uploads soak bench lock lambda clean

help: ## these lines
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(STAMP): requirements/development.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed, this is " + sys.version) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/development.txt
	touch $@

$(PEERS)/installed: requirements/bench.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	touch $@

.env: .env.example
	test -f $@ || cp .env.example $@
	touch $@

run: export DJANGO_SETTINGS_MODULE = backoffice.settings.development
run: $(STAMP) .env ## the whole product on this machine: http://127.0.0.1:8000/admin/
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py sync_schedules --verbosity 0
# The settings read .env themselves; honcho would let it win over the environment.
	$(BIN)/honcho -e /dev/null start

test: $(STAMP) ## all tests on SQLite
	$(BIN)/pytest -n 3 --dist loadgroup -m "not soak and not image and not moto" $(PYTEST_ARGS)

test-postgres: $(STAMP) ## the tests that are about the database, on PostgreSQL
	DATABASE_URL=$${TEST_DATABASE_URL:-postgres://postgres@127.0.0.1:5432/postgres} $(BIN)/pytest -n 2 -m "database and not soak and not moto"

test-moto: $(STAMP) ## what asks S3 for something, once more on an S3 that others wrote; CI runs it beside the rest
	$(BIN)/pytest -n 3 -m moto

lint: $(STAMP) ## formatting, types, layers, migrations, templates; what is deployed: Dockerfile, stacks, workflows, settings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/shellcheck --external-sources --source-path=SCRIPTDIR deploy/*.sh tests/image/build.sh .ci/run
	$(BIN)/cfn-lint --non-zero-exit-code warning deploy/cloudformation/*.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/zizmor --offline --quiet .github/workflows
	$(BIN)/djade --check --target-version 5.2 $$(git ls-files 'templates/*.html')
	$(BIN)/django-upgrade --target-version 5.2 $$(git ls-files '*.py')
	DJANGO_SETTINGS_MODULE=backoffice.settings.test $(BIN)/python manage.py makemigrations --check --dry-run
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(60))') ALLOWED_HOSTS=backoffice.internal \
	DATABASE_URL=sqlite:////tmp/unused REDIS_URL=redis://127.0.0.1:6379/0 DJANGO_SETTINGS_MODULE=backoffice.settings.production \
	  $(BIN)/python -W error manage.py check --deploy --fail-level WARNING

check: lint test test-postgres ## what CI runs

coverage: PYTEST_ARGS = --cov
coverage: test ## the tests with branch coverage of code and tests, 95 % at least

image-check: $(STAMP) ## the container image, built and run without Docker; needs root, buildah podman runc debootstrap
	$(BIN)/pytest -m image -s tests/image

deploy: ## a version (VERSION=v1.2.3) into an environment (ENVIRONMENT=staging): docs/operations.md
	deploy/deploy.sh

deploy-uploads: lambda ## direct uploads alone: buckets, queue and function by one stack; asks for what is missing (docs/operations.md)
	deploy/uploads.sh

soak: $(STAMP) ## long and destructive tests
	$(BIN)/pytest -m soak

bench: $(STAMP) $(PEERS)/installed ## the quota's estimates and meter, and the jobs against plain django-q2, renditions against libvips and others: an hour, on SQLite and PostgreSQL (QUOTA_BENCH_POSTGRES)
	$(BIN)/python bench/estimate.py
	$(BIN)/python bench/quota.py
	$(BIN)/python bench/jobs.py
	$(BIN)/python bench/imaging.py --peers $(PEERS)/bin/python

lock: $(STAMP) ## requirements/*.txt from pyproject.toml, hashed, for Python 3.11 and later on any platform
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements/production.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --group localcloud -o requirements/localcloud.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --group dev -o requirements/development.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --group bench -o requirements/bench.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group lambda --constraint requirements/production.txt -o requirements/lambda.txt

lambda: $(STAMP) ## the Lambda's function.zip, byte for byte the same each time (LAMBDA_PYTHON=3.13)
	$(BIN)/python lambda/build.py --python $(LAMBDA_PYTHON) --output lambda/dist/function.zip

clean: ## remove the environment, data and caches of this checkout
	rm -rf .venv .venv-bench .data lambda/dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache staticfiles .coverage*

#!/usr/bin/env bash
# Rolls the services over to VERSION. The circuit breaker puts them back when the new tasks do not become healthy; the
# stack then fails and this script with it.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
: "${VERSION:?the tag of the version}"

stack service "ImageUri=$(output RepositoryUri):$VERSION"

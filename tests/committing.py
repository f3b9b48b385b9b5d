"""For tests that commit, as databases check foreign keys only then. They begin with what migrations have written."""

import pytest

committing = pytest.mark.django_db(transaction=True, serialized_rollback=True)

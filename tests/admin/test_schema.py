"""The admin API against its own OpenAPI document, with requests that nobody thought of.

``ADMIN_FUZZ_EXAMPLES`` says how many there are of each kind; `make admin-fuzz` has many.
"""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from starlette.testclient import TestClient

from asgi_cache import Cache
from asgi_cache.admin.operations import openapi
from tests.admin.conftest import RULES, TOKEN, Site

EXAMPLES = int(os.environ.get("ADMIN_FUZZ_EXAMPLES", "3"))

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
    negative_data_rejection,
]

SITE = Site(Cache(rules=RULES))
CLIENT = TestClient(SITE.app)
for number in range(20):
    CLIENT.get(f"/tasks/{number}")

document = openapi(with_token=True)
document["paths"].pop("/events")  # which never ends by itself
document["servers"] = [{"url": SITE.mount}]
schema = schemathesis.openapi.from_dict(document)
schema.app = SITE.app
schema.config.generation.update(modes=list(GenerationMode))


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_answers_are_as_documented(case):
    """Whatever is asked, nothing fails, and every answer is one that the document has."""
    case.call_and_validate(headers={"authorization": f"Bearer {TOKEN}"}, checks=CHECKS)


@pytest.fixture(scope="module", autouse=True)
def _all_paths():
    """See that what is tried is what is offered."""
    assert {"/stats", "/entries/{key}", "/purge"} <= document["paths"].keys()

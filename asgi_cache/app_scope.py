"""What the app is told of a request: nothing that the key does not hold."""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

from asgi_cache.asking import Asked
from asgi_cache.policy.message import StoredResponse
from asgi_cache.policy.validation import has_validator, unconditional_fields, validating_fields

UNSEEN_EXTENSIONS: Final = frozenset({"http.response.pathsend", "http.response.zerocopysend"})
"""Ways to send a body that the cache does not see; apps under a rule are not offered them."""

CHANGED: Final = frozenset({"headers", "query_string", "extensions"})
"""What of a scope the cache changes for the app, and not for whoever is in front of it."""


def app_scope(scope: Scope, asked: Asked, stored: StoredResponse | None) -> Scope:
    """Return the scope for the app, which may say that *stored* is still good."""
    fields = asked.request.fields
    ruled = asked.target.pattern is not None
    if asked.request.method != "HEAD":
        if stored is not None and has_validator(stored):
            fields = validating_fields(fields, stored)
        elif stored is not None or ruled:
            fields = unconditional_fields(fields)
    told = {**scope, "headers": list(fields), "query_string": asked.target.query}
    if ruled and "extensions" in told:
        offered = told["extensions"] or {}
        told["extensions"] = {
            name: value for name, value in offered.items() if name not in UNSEEN_EXTENSIONS
        }
    return told


def note_what_the_app_said(told: Scope, scope: Scope) -> None:
    """Let outer middleware find in *scope* what the app put into its own, such as its route."""
    said = dict(told)
    for name in CHANGED:
        said.pop(name, None)
    scope.update(said)

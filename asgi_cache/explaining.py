"""What would become of a request, in words: which rule, which key, whose, and why not."""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlette.types import Scope

from asgi_cache.asking import FORWARDED, Asked, Unanswerable, ask, names_in_key
from asgi_cache.errors import StoreUnavailable
from asgi_cache.identity import NOBODY
from asgi_cache.outcome import PASSED
from asgi_cache.patience import patiently
from asgi_cache.policy.cache_control import parse_response
from asgi_cache.policy.fields import Fields, name_of
from asgi_cache.policy.message import Response
from asgi_cache.policy.received import Received
from asgi_cache.policy.reuse import Reuse, assess
from asgi_cache.policy.storing import forbidding_clause
from asgi_cache.request_body import Nobody
from asgi_cache.rules import stated_in
from asgi_cache.services import Services
from asgi_cache.targets import Target

NO_TARGET = (
    "no key can be made of it: its Host field is missing from hosts=, or is none, or path and "
    "query are too long; the app answers it, and nothing is stored"
)

UNKNOWN = "; but what handlers state is not known before the app has started"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would become of a request; as text it is a list of lines."""

    request: str
    rule: str
    """Which one it falls under, and what that says."""
    key: tuple[tuple[str, str], ...] = ()
    """What the key is made of: names and values, in their order; no secret is among them."""
    partition: str = ""
    """Whose part of the store it is."""
    tags: tuple[str, ...] = ()
    """Names that the rule would give to the response."""
    passed: str | None = None
    """Why the request goes past the store, if it does."""
    found: str = ""
    """What the store has for it now."""
    stored: bool = False
    """Whether the app's response would be stored."""
    reason: str = ""
    """For how long it would be fresh; or what forbids storing it, and where that is said."""

    def __str__(self) -> str:
        """Write it in lines, each with what it is about in front."""
        lines = [("request", self.request), ("rule", self.rule)]
        if self.passed is not None:
            lines.append(("passed on", self.passed))
        if self.key:
            lines.append(("key", ", ".join(f"{name} {value!r}" for name, value in self.key)))
            lines += [("partition", self.partition), ("tags", ", ".join(self.tags) or "none")]
            lines.append(("in the store", self.found))
            verb = "would be" if self.stored else "would not be"
            lines.append(("response", f"{verb} stored: {self.reason}"))
        width = max(len(name) for name, _ in lines)
        return "\n".join(f"{name:<{width}}  {text}" for name, text in lines)


async def explain(
    services: Services, scope: Scope, status: int, answered: Fields, *, knows_app: bool
) -> Explanation:
    """Say what would become of a request that the app answers with *status* and such fields.

    Without the app nobody knows what its handlers state.
    """
    said = await _explain(services, scope, status, answered)
    return said if knows_app else replace(said, rule=said.rule + UNKNOWN)


async def _explain(services: Services, scope: Scope, status: int, answered: Fields) -> Explanation:
    targets, method = services.targets, scope["method"]
    target = targets.resolve(scope, method)
    request = f"{method} {target.url if target else scope['path']}"
    if target is None:
        return Explanation(request, "none", passed=NO_TARGET)
    if target.rule is None:
        return Explanation(request, _rule_of(target), passed="the rule says never")
    if method not in target.rule.methods:
        return Explanation(request, _rule_of(target), passed=_of_other_method(target))
    client = Nobody(b"")
    asked = await ask(scope, client.receive, target, target.rule, services)
    if isinstance(asked, Unanswerable):
        why = PASSED.get(asked.detail, asked.detail)
        passed = f"{asked.detail}: the request {why}"
        return Explanation(request, _rule_of(target), passed=passed)
    stored, reason = _verdict(services, asked, status, answered)
    return Explanation(
        request,
        _rule_of(target),
        key=_key_of(scope, asked, services.identity.fields),
        partition=_partition_of(asked),
        tags=tuple(asked.rule_tags()),
        found=await _found(services, asked),
        stored=stored,
        reason=reason,
    )


def _rule_of(target: Target) -> str:
    if target.pattern is None:
        return "none: what the app itself marks with explicit freshness is stored"
    if target.rule is None:
        return f"{target.pattern}: never"
    stated = [f"{name}={value!r}" for name, value in stated_in(target.rule).items()]
    whose = f" (by {target.said_by})"
    return f"{target.pattern}{whose}: {', '.join(stated) or 'all as by default'}"


def _of_other_method(target: Target) -> str:
    if target.passing is not None:
        return "the rule stores no responses to this method"
    purge = target.rule.purge if target.rule else ()
    named = f", and the tags {', '.join(purge)}" if purge else ""
    return f"it changes something: a success purges its own URL{named}"


def _key_of(scope: Scope, asked: Asked, secret: frozenset[bytes]) -> tuple[tuple[str, str], ...]:
    target, present = asked.target, frozenset(map(name_of, asked.request.fields))
    names = names_in_key(asked.rule, FORWARDED & present)
    shown = {n: b"..." if n in secret else value for n, value in asked.request.fields}
    return (
        ("origin", target.origin),
        ("root path", scope.get("root_path", "")),
        ("path", scope["path"]),
        ("query", target.query.decode("latin-1")),
        *((name.decode(), shown.get(name, b"").decode("latin-1")) for name in names),
        ("digest", asked.key.hex()),
    )


def _partition_of(asked: Asked) -> str:
    if not asked.target.is_partitioned:
        public = asked.target.pattern is not None
        return "everybody's: the rule says public" if public else "everybody's: there is no rule"
    kind, _, name = asked.partition.partition(b":")
    if asked.partition == NOBODY:
        return "nobody's: the request shows no credentials"
    if kind == b"user":
        return f"user {name.decode('utf-8', 'replace')!r}"
    return "whoever shows the same credentials"


async def _found(services: Services, asked: Asked) -> str:
    finding = services.holdings.find(asked.key, asked.request.fields, asked.tags)
    try:
        found = await patiently(services.holdings.patience(), finding)
    except StoreUnavailable as error:
        return f"nobody knows: {error}"
    if found.stored is None:
        return "other variants" if found.reason == "vary-miss" else "nothing"
    now = services.clock()
    age = found.stored.age_at(now)
    decision = assess(found.stored, asked.request, asked.rule, now)
    use = "it would be served" if isinstance(decision, Reuse) else "the app would be asked"
    state = "fresh" if found.stored.lifetime > age else "stale"
    return f"a {state} response with status {found.stored.status}, {age:.0f} s old: {use}"


def _verdict(services: Services, asked: Asked, status: int, answered: Fields) -> tuple[bool, str]:
    now = services.clock()
    response = Response(status, answered, parse_response(answered, services.targeted))
    received = Received.at(now, asked.request, response, asked.rule, now)
    clause = forbidding_clause(received)
    if clause is not None:
        return False, f"{clause.detail}: {clause.meaning} ({clause.source})"
    source = {"app": "the app says so", "rule": "the rule says so", "guess": "it is a guess"}
    who = source.get(received.freshness.source, "it is to be validated each time")
    return True, f"fresh for {received.lifetime:g} s ({who})"

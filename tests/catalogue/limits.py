"""What is limited, and what happens beyond: the table in the docs, with a test for each line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from asgi_cache import asking, fill_rate, flight, flights, purging, targets, throttle
from asgi_cache.config import Settings
from asgi_cache.policy import key, ranges
from asgi_cache.policy.rule import Rule
from asgi_cache.stores import compression, memory, redis, tiered
from asgi_cache.tags import LENGTH_LIMIT, LIMIT


class Limit(NamedTuple):
    """One line of the table."""

    what: str
    default: str
    beyond: str
    test: str
    """The name of the test that shows it."""


def _size(count: int) -> str:
    for power, unit in ((2**20, "MB"), (2**10, "kB")):
        if count % power == 0:
            return f"{count // power} {unit}"
    return f"{count} bytes"


def _store(options: str, default: int) -> str:
    return f"{_size(default)}: `{options}` in the URL of the store"


RULE: Final = Rule()
LIMITS: Final = (
    Limit(
        "path and query of a request",
        _size(targets.LENGTH_LIMIT),
        "the app answers as without a cache",
        "test_a29_a_megabyte_in_a_url",
    ),
    Limit(
        "body of a POST that is part of a key",
        _size(asking.BODY_LIMIT),
        "the app answers: `request-body`",
        "test_a_body_over_the_limit_reaches_the_app_whole",
    ),
    Limit(
        "body of a response",
        f"`max_body`, {_size(RULE.max_body)}",
        "it is passed on, not stored: `too-large`",
        "test_an_announced_length_over_the_limit_is_said_so",
    ),
    Limit(
        "fields of a response",
        f"`max_header`, {_size(RULE.max_header)}",
        "it is passed on, not stored: `header-too-large`",
        "test_fields_over_the_limit_pass_and_are_not_stored",
    ),
    Limit(
        "tags of a response",
        f"{LIMIT} of {LENGTH_LIMIT} characters",
        "it is not stored: `tags`",
        "test_what_could_not_be_purged_is_not_stored",
    ),
    Limit(
        "variants of a URL",
        str(key.VARIANT_LIMIT),
        "the oldest is forgotten",
        "test_a17_variants_are_capped_and_forgotten_ones_take_no_room",
    ),
    Limit(
        "ranges in a request",
        str(ranges._MOST_RANGES),
        "the whole is sent",
        "test_so_many_ranges_and_no_more",
    ),
    Limit(
        "memory for what is stored",
        _store("max", memory._DEFAULT_BYTES),
        "S3-FIFO evicts",
        "test_a28_variants_in_memory_stay_in_budget",
    ),
    Limit(
        "memory for copies of what is in Redis",
        _store("local", tiered.DEFAULT_BYTES),
        "the same",
        "test_copies_have_a_budget",
    ),
    Limit(
        "responses stored anew in a second for one user, by each process under one rule",
        f"`max_user_fills`, {RULE.max_user_fills:g}",
        "the app answers, nothing is stored: `max-user-fills`",
        "test_a28_one_users_flood_leaves_others_their_own",
    ),
    Limit(
        "the same for all together",
        "`max_fills`, none",
        "the same: `max-fills`",
        "test_what_is_beyond_goes_past_the_store",
    ),
    Limit(
        "users and rules of which that is counted",
        str(fill_rate.REMEMBERED),
        "who has not come for longest has a second's worth again",
        "test_users_who_have_not_come_for_long_are_forgotten",
    ),
    Limit(
        "runs of the app at once that others may join",
        f"`max_flights`, {Settings().max_flights}",
        "a request has a run of its own, whose answer is stored: `max-flights`",
        "test_beyond_the_limit_each_request_has_a_run_of_its_own",
    ),
    Limit(
        "runs at once for no client, to refresh",
        str(flights.BACKGROUND_LIMIT),
        "what is stale is served for longer, within its window",
        "test_a28_refreshes_are_bounded",
    ),
    Limit(
        "messages by which an app is ahead of the slowest reader of what is not stored",
        str(flight.WINDOW),
        f"the app waits; after {flight.STALL:g} s the slowest is left behind",
        "test_a_client_that_is_too_slow_is_left_behind_where_others_wait",
    ),
    Limit(
        "responses remembered as not worth sharing",
        str(flights.UNSHARED_LIMIT),
        "the oldest is forgotten: one run shows it again",
        "test_few_marks_are_kept",
    ),
    Limit(
        "responses remembered as failing",
        str(throttle.LIMIT),
        "the oldest is forgotten: the app is asked again",
        "test_failures_are_remembered_of_few_responses",
    ),
    Limit(
        "tags remembered as purged",
        f"{purging.TAGS_REMEMBERED:,}",
        "what is older than the older half of them counts as purged",
        "test_forgetting_never_resurrects",
    ),
    Limit(
        "a body that is compressed in Redis, expanded",
        _size(compression.LARGEST),
        "it is no record, and so a miss",
        "test_a36_a_bomb_takes_no_more_memory_than_its_head_says",
    ),
    Limit(
        "time that a request waits for Redis",
        f"{redis.DEFAULT_TIMEOUT * 1000:g} ms: `timeout` in the URL of the store",
        "the app answers: `store-unavailable`",
        "test_b02_a_hung_redis_costs_no_more_than_its_timeout",
    ),
)

_TEST: Final = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)


def names_of_tests(root: Path) -> Iterator[str]:
    """Yield the names of all tests below *root*."""
    for path in sorted((root / "tests").rglob("test_*.py")):
        yield from _TEST.findall(path.read_text())

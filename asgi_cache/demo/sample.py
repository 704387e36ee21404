"""Made-up users and tasks: plausible, and the same in every run but for the day they end on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from random import Random
from typing import Final, TypeAlias

USERS: Final = 500
TASKS: Final = 50_000

_SEED: Final = 9111
_FIRST_NAMES: Final = (
    *("Alice", "Bob", "Chidi", "Dana", "Emeka", "Farah", "Goran", "Hana", "Ines", "Jonas"),
    *("Kavya", "Liam", "Mei", "Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Sami", "Tomas"),
    *("Uma", "Viktor", "Wanda", "Yusuf", "Zoe"),
)
_LAST_NAMES: Final = (
    *("Adeyemi", "Berg", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Haddad", "Ivanova"),
    *("Jansen", "Kim", "Lopez", "Moreau", "Novak", "Okafor", "Patel", "Rossi", "Silva", "Tanaka"),
    "Wagner",
)
_VERBS: Final = (
    *("Review", "Update", "Draft", "Check", "Send", "Prepare", "Translate", "Archive", "Test"),
    *("Plan", "Discuss", "Approve", "Rewrite", "Measure", "Simplify", "Document"),
)
_OBJECTS: Final = (
    *("invoice", "contract", "release notes", "budget", "login page", "backup", "price list"),
    *("onboarding guide", "search index", "newsletter", "data export", "access rights"),
    *("test plan", "dashboard", "error report", "supplier list", "road map", "status page"),
)
_OCCASIONS: Final = (
    *("", "", "", " for the board", " for the spring release", " with the customer"),
    *(" before the audit", " of last quarter", " for the new office", " after the move"),
)
_PROJECTS: Final = (
    *("Accounting", "Android app", "Archive", "Billing", "Checkout", "Data platform", "Events"),
    *("Front page", "Hiring", "Infrastructure", "iOS app", "Legal", "Localisation", "Marketing"),
    *("Office", "Onboarding", "Partners", "Payments", "Privacy", "Reporting", "Search"),
    *("Support", "Training", "Warehouse"),
)

UserRow: TypeAlias = tuple[int, str, str]
TaskRow: TypeAlias = tuple[int, int, str, str, str, int, int, str, str, str | None]


def user_rows() -> Iterator[UserRow]:
    """Make users: id, name, token. The first two are Alice and Bob."""
    random = Random(_SEED)  # noqa: S311 (the tokens open nothing but this demo)
    for number in range(USERS):
        around, first = divmod(number, len(_FIRST_NAMES))
        name = f"{_FIRST_NAMES[first]} {_LAST_NAMES[(around + first) % len(_LAST_NAMES)]}"
        yield number + 1, name, f"{_FIRST_NAMES[first].lower()}-{random.getrandbits(48):012x}"


def task_rows(today: date) -> Iterator[TaskRow]:
    """Make tasks of the two years before *today*, columns as in the table ``tasks``."""
    random = Random(_SEED)  # noqa: S311 (the same tasks in every run)

    def some(choices: Sequence[str | int], weights: Sequence[int] | None = None) -> list[str | int]:
        return random.choices(choices, weights, k=TASKS)

    owners, projects = some(range(1, USERS + 1)), some(_PROJECTS)
    verbs, objects, occasions = some(_VERBS), some(_OBJECTS), some(_OCCASIONS)
    statuses = some(("open", "doing", "done"), (4, 2, 6))
    priorities, minutes = some((1, 2, 3, 4)), some((30, 60, 120, 240, 480))
    created, allowed, taken = some(range(730)), some(range(3, 120)), some(range(1, 90))
    days = [(today + timedelta(days=offset)).isoformat() for offset in range(-730, 121)]
    for number in range(TASKS):
        begun = int(created[number])
        ended = days[min(730, begun + int(taken[number]))]
        yield (
            number + 1,
            int(owners[number]),
            str(projects[number]),
            f"{verbs[number]} the {objects[number]}{occasions[number]}",
            str(statuses[number]),
            int(priorities[number]),
            int(minutes[number]),
            days[begun],
            days[begun + int(allowed[number])],
            ended if statuses[number] == "done" else None,
        )

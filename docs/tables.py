"""Writes the tables in README.md and docs/ that are the code's own: ``python docs/tables.py``.

A table stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``. The tests fail where one is
not what the code says.
"""

from __future__ import annotations

import ast
import inspect
import json
import logging
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import MISSING, fields
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from asgi_cache import config
from asgi_cache.advisor.deciding import KINDS as KINDS_OF_ROUTES
from asgi_cache.cli import failing
from asgi_cache.cli.failing import Exit
from asgi_cache.cli.parser import make_parser
from asgi_cache.observe.events import KINDS
from asgi_cache.observe.metrics import METRICS
from asgi_cache.outcome import PASSED, RESULTS
from asgi_cache.policy import rule, storing
from benchmarks.conformance.explained import EXPLAINED
from benchmarks.differential.explained import EXPLAINED as DIFFERENCES
from tests.catalogue.attacks import ATTACKS, tests_by_line
from tests.catalogue.limits import LIMITS

ROOT = Path(__file__).parent.parent
SEVERAL = {
    "max": " Of several workers: the greatest.",
    "min": " Of several workers: the least.",
    "mostrecent": " Of several workers: what one was told last.",
}
PAGES = (
    "README.md",
    "docs/reference/rules.md",
    "docs/reference/settings.md",
    "docs/reference/cache-status.md",
    "docs/reference/logging.md",
    "docs/how-to/advise.md",
    "docs/reference/command-line.md",
    "docs/reference/rfc9111.md",
    "docs/reference/metrics.md",
    "docs/explanation/security.md",
)

COMMON = frozenset({"help", "json", "no_color", "debug", "config", "url", "token"})
"""Arguments that mean the same for each command that has them."""


def documented(module: ModuleType, name: str) -> dict[str, str]:
    """Return the docstrings of a class's fields, which Python itself does not keep."""
    tree = ast.parse(inspect.getsource(module))
    (body,) = [n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name]
    said: dict[str, str] = {}
    for statement, following in pairwise(body):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=field)) | ast.Assign(targets=[ast.Name(id=field)]),
                ast.Expr(ast.Constant(str(text))),
            ):
                said[field] = " ".join(text.split()).replace("``", "`")
    return said


def field_rows(module: ModuleType, cls: type[Any]) -> list[tuple[str, str, str]]:
    """Return name, meaning and default of each field of a dataclass."""
    meanings = documented(module, cls.__name__)
    return [(f"`{f.name}`", meanings[f.name], f"`{default_of(f)}`") for f in fields(cls)]


def default_of(field: Any) -> str:
    """Return how a default is written in Python."""
    value = field.default_factory() if field.default is MISSING else field.default
    return str(value) if isinstance(value, int) and value < 1024 else written(value)


def written(value: object) -> str:
    """Write sizes as a user would, everything else as Python does."""
    if isinstance(value, int) and value % 2**20 == 0:
        return f'"{value // 2**20}mb"'
    if isinstance(value, int) and value % 2**10 == 0:
        return f'"{value // 2**10}kb"'
    return repr(value).replace("'", '"')


def detail_rows() -> list[tuple[str, str, str]]:
    """Return what ``detail`` in ``Cache-Status`` can say of a response that is not stored."""
    return [(f"`{clause.detail}`", clause.meaning, clause.source) for clause in storing.CLAUSES]


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Lay out a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables() -> dict[str, str]:
    """Return every table by its name."""
    return {
        "rules": table(("field", "meaning", "default"), field_rows(rule, rule.Rule)),
        "conformance": conformance(),
        "peers": peers(),
        "settings": table(("setting", "meaning", "default"), field_rows(config, config.Settings)),
        "attacks": attacks(),
        "commands": commands(),
        "exits": exits(),
        "limits": limits(),
        "differences": differences(),
        "events": events(),
        "kinds": table(("kind", "advice", "why"), kinds()),
        "metrics": metrics(),
        "results": table(
            ("result", "the request was"), [(f"`{n}`", t) for n, t in RESULTS.items()]
        ),
        "passed": table(("`detail`", "the request"), [(f"`{n}`", t) for n, t in PASSED.items()]),
        "not-stored": table(
            ("`detail`", "the response is not stored because", "source"), detail_rows()
        ),
    }


def conformance() -> str:
    """Lay out what the HTTP cache tests said in the run that is on record."""
    results = json.loads((ROOT / "benchmarks/results/conformance.json").read_text())["tests"]
    bad = [r for r in results if r["verdict"] == "fail" and r["kind"] != "check"]
    rows = []
    for kind in ("required", "optimal"):
        verdicts = Counter(r["verdict"] for r in results if r["kind"] == kind)
        moot = verdicts.total() - verdicts["pass"] - verdicts["fail"]
        rows.append((kind, str(verdicts["pass"]), str(verdicts["fail"]), str(moot)))
    reasons: dict[str, list[str]] = {}
    for result in bad:
        reasons.setdefault(EXPLAINED[result["id"]], []).append(f"`{result['id']}`")
    summary = table(
        ("tests", "passed", "failed", "not tested, as what they need is not done"), rows
    )
    explained = table(
        ("failed", "why"), [(", ".join(tests), why) for why, tests in reasons.items()]
    )
    return f"{summary}\n\n{explained}"


def attacks() -> str:
    """Lay out what may be tried, what comes of it, and the tests of that."""
    tests, rows = tests_by_line(ROOT), []
    for line, (tried, holds) in ATTACKS.items():
        names = ", ".join(f"`{name.removeprefix('test_')}`" for name, _ in tests[line])
        rows.append((str(line), tried, holds, names))
    return table(("", "what is tried", "what comes of it", "tests"), rows)


def metrics() -> str:
    """Lay out every metric: its name in Prometheus, and what it says."""
    rows = []
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        several = SEVERAL.get(metric.several, "")
        rows.append((f"`{metric.exposed}`", metric.kind, labels, metric.help + several))
    return table(("metric", "kind", "labels", "what it says"), rows)


def kinds() -> list[tuple[str, str, str]]:
    """Return what the advisor can say of a route, in the order in which it rules kinds out."""
    return [(f"`{name}`", kind.advice, kind.why) for name, kind in KINDS_OF_ROUTES.items()]


def events() -> str:
    """Lay out what is logged, by which logger, at which level and with which fields."""
    rows = []
    for name, kind in KINDS.items():
        names = [*kind.fields, *(["left_out"] if kind.is_limited else [])]
        level = logging.getLevelName(kind.level)
        said = ", ".join(f"`{each}`" for each in names)
        rows.append((f"`{name}`", f"`{kind.logger}`", level, kind.meaning, said))
    return table(("event", "logger", "level", "when", "fields"), rows)


def commands() -> str:
    """Lay out every command with its arguments, as its parser has them."""
    (chosen,) = (action for action in make_parser()._actions if action.choices)
    parts = []
    for name, command in chosen.choices.items():
        actions = [action for action in command._actions if action.dest not in COMMON]
        rows = [(_named(action), escaped(action.help)) for action in actions]
        parts.append(f"### `asgi-cache {name}`\n\n{escaped(command.description)}")
        parts.append(table(("argument", "meaning"), rows))
    return "\n\n".join(parts)


def _named(action: Any) -> str:
    """Return how an argument is written."""
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    said = action.metavar or (", ".join(action.choices) if action.choices else "")
    value = "" if not said or action.nargs == 0 else f"`{said.replace('|', ' or ')}`"
    return " ".join(filter(None, (names, value)))


def exits() -> str:
    """Lay out the statuses that a command exits with."""
    meanings = documented(failing, "Exit")
    return table(("status", "meaning"), [(f"{code:d}", meanings[code.name]) for code in Exit])


def escaped(text: str) -> str:
    """Return *text* for a cell of a table."""
    return text.replace("|", "\\|").replace("%%", "%")


def limits() -> str:
    """Lay out what is limited, what happens beyond, and the tests of that."""
    head = ("what", "limit", "beyond it", "test")
    return table(head, [(*row[:3], f"`{row.test.removeprefix('test_')}`") for row in LIMITS])


def differences() -> str:
    """Lay out in what the run on record differed from Varnish, how often, and why."""
    report = json.loads((ROOT / "benchmarks/results/differential.json").read_text())
    rows = [(each.what, each.why, str(report["explained"][each.what])) for each in DIFFERENCES]
    steps = f"{report['steps']:,} steps of {report['sequences']:,} sequences"
    compared = f"{steps} were compared with {report['beside']}, {report['hits']:,} of them hits"
    return f"{compared}.\n\n{table(('difference', 'why', 'sequences'), rows)}"


def peers() -> str:
    """Return what the comparison measured, without how each cache was set up."""
    text = (ROOT / "benchmarks/results/peers.md").read_text()
    return text.partition("\nHow each was set up")[0].rstrip()


def filled(text: str) -> str:
    """Return a page with its tables as the code has them."""
    for name, content in tables().items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text = pattern.sub(lambda m, c=content: f"{m[1]}{c}\n{m[2]}", text)
    return text


if __name__ == "__main__":
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled(path.read_text()))

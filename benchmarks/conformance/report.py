"""What the HTTP cache tests said: a table, the failures one by one, and a file to keep."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.conformance.explained import EXPLAINED

KINDS = ("required", "optimal", "check")
GOOD = ("pass", "yes")
BAD = ("fail", "no", "retried", "harness failed")
MOOT = ("setup failed", "dependency failed", "untested")
"""Verdicts that say nothing of the behaviour: the test did not come to its question."""


@dataclass(frozen=True, slots=True)
class Result:
    """One test, and what the suite's own rules made of its outcome."""

    suite: str
    id: str
    name: str
    kind: str
    verdict: str
    message: str


def failed(results: Iterable[Result], kind: str) -> list[Result]:
    """Pick the tests of a *kind* that came to their question and failed it."""
    return [result for result in results if result.kind == kind and result.verdict in BAD]


def surprises(results: Sequence[Result]) -> list[Result]:
    """Pick the failures that nobody has explained, and what is explained and did not fail."""
    wrong = {result.id for kind in KINDS[:2] for result in failed(results, kind)}
    unexpected = wrong ^ EXPLAINED.keys()
    return [result for result in results if result.id in unexpected]


def print_report(results: Sequence[Result]) -> None:
    """Print the table, then each required or optimal test that did not pass, and why."""
    _print_table(results)
    for kind in KINDS[:2]:
        _print_each(f"{kind}, failed", failed(results, kind))
    _print_each("not as explained", surprises(results))
    moot = [result for result in results if result.kind != "check" and result.verdict in MOOT]
    _print_each("not tested: what they need did not happen", moot)


def write_report(path: Path, version: str, results: Sequence[Result]) -> None:
    """Write all results, in the suite's order, with nothing in it that differs between runs."""
    path.parent.mkdir(exist_ok=True)
    counts = {kind: dict(sorted(_verdicts_of(results, kind).items())) for kind in KINDS}
    rows = [{k: v for k, v in asdict(result).items() if k != "message"} for result in results]
    report = {"http-cache-tests": version, "counts": counts, "tests": rows}
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def _verdicts_of(results: Iterable[Result], kind: str) -> Counter[str]:
    return Counter(result.verdict for result in results if result.kind == kind)


def _print_table(results: Sequence[Result]) -> None:
    """Show each suite's tests as good/bad/moot per kind."""
    suites = list(dict.fromkeys(result.suite for result in results))
    width = max(map(len, suites))
    print(f"{'passed / failed / not tested':{width}}  {'required':>12} {'optimal':>12}", end="")
    print(f" {'check: y/n/-':>14}")
    for suite in [*suites, "all"]:
        rows = [result for result in results if suite in (result.suite, "all")]
        cells = [_cell(_verdicts_of(rows, kind)) for kind in KINDS]
        print(f"{suite:{width}}  {cells[0]:>12} {cells[1]:>12} {cells[2]:>14}")


def _cell(verdicts: Counter[str]) -> str:
    sums = [sum(verdicts[word] for word in words) for words in (GOOD, BAD, MOOT)]
    return " / ".join(map(str, sums)) if any(sums) else ""


def _print_each(title: str, results: Sequence[Result]) -> None:
    if results:
        print(f"\n{title} ({len(results)}):")
    for result in results:
        verdict = "" if result.verdict == "fail" else f" [{result.verdict}]"
        print(f"  {result.id}{verdict}: {result.name}")
        print(f"      {result.message}")
        if result.id in EXPLAINED:
            print(f"      (on purpose: {EXPLAINED[result.id]})")

"""``make differential COUNT=2000``: play sequences of requests to this cache and to Varnish.

::

    a step ─┬─ CacheMiddleware ───────────────── the app
            └─ Varnish ── uvicorn ────────────── the same app

Both are asked the same at the same time, and what the app would say is the same to both. Where
the two differ, one of `EXPLAINED` has to say why; the sequence ends there, since from then on
they hold different things. Ends with 1 if a difference has no explanation.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import uvicorn

from benchmarks.conformance.reverse_proxy import ReverseProxy
from benchmarks.differential.differences import Difference, difference
from benchmarks.differential.explained import EXPLAINED, explanation
from benchmarks.differential.shrink import shortest, unexplained
from benchmarks.differential.stage import Played, Seen, Stage
from benchmarks.differential.steps import MODES, draw_steps
from benchmarks.differential.varnish import LOOPBACK, varnish, version

RESULTS: Final = Path(__file__).parents[1] / "results" / "differential.json"
AT_ONCE: Final = 64
"""Sequences that are played at once: most of the time they wait for something to be stale."""

SHOWN: Final = 3
"""Differences without an explanation that are made as short as can be, and printed."""


@dataclass(slots=True)
class Tally:
    """What has come of the sequences so far."""

    steps: int = 0
    hits: int = 0
    """Steps that both answered from the store, alike."""
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: list[Difference] = field(default_factory=list)

    def note(self, played: Played) -> bool:
        """Count one step; whether both answered alike."""
        self.steps += 1
        found = difference(played)
        if found is None:
            self.hits += not played.ours.asked
            return True
        reason = explanation(found)
        if reason is None:
            self.unexplained.append(found)
        else:
            self.explained[reason.what] += 1
        return False


def main() -> int:
    """Play as many sequences as the command line says."""
    arguments = _parser().parse_args()
    seed = random.randrange(2**32) if arguments.seed is None else arguments.seed  # noqa: S311
    print(f"{arguments.count:,} sequences, seed {seed}, beside {version()} ...", file=sys.stderr)
    tally = asyncio.run(_play(arguments.count, seed))
    _tell(tally)
    unused = [reason.what for reason in EXPLAINED if not tally.explained[reason.what]]
    if arguments.write and unused:
        print(f"Not written, as nothing was explained by: {'; '.join(unused)}")
    elif arguments.write:
        _write(tally, arguments.count, seed)
    print(f"{len(tally.unexplained)} without an explanation, with seed {seed}")
    return 1 if tally.unexplained or (arguments.write and unused) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.differential")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--write", action="store_true", help="put it on record, for the docs")
    return parser


async def _play(count: int, seed: int) -> Tally:
    gate, tally = asyncio.Semaphore(AT_ONCE), Tally()
    async with _stage() as stage:

        async def play_one(number: int) -> None:
            async with gate:
                random = Random(f"{seed}-{number}")  # noqa: S311
                mode, steps = random.choice(MODES), draw_steps(random)
                all(map(tally.note, await stage.play(mode, steps)))  # up to the first that differs

        await asyncio.gather(*map(play_one, range(count)))
        tally.unexplained = await _again(stage, tally.unexplained)
    return tally


async def _again(stage: Stage, found: list[Difference]) -> list[Difference]:
    """Keep what differs again when nothing else is going on; the first few as short as can be."""
    alone = [await unexplained(stage, d.played.mode, list(d.played.steps)) for d in found]
    again = [difference for difference in alone if difference is not None]
    for former, now in zip(found, alone, strict=True):
        if now is None:
            _show_difference("It did not come back when played alone", former)
    short = [await shortest(stage, difference) for difference in again[:SHOWN]]
    return [*short, *again[SHOWN:]]


@asynccontextmanager
async def _stage() -> AsyncIterator[Stage]:
    """Start a server for the app, and Varnish in front of it."""
    stage = Stage()
    listener = socket.create_server((LOOPBACK, 0), backlog=512)
    config = uvicorn.Config(
        stage.app("theirs"),
        http="h11",
        lifespan="off",
        log_level="warning",
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    with varnish(listener.getsockname()[1]) as port:
        stage.varnish = ReverseProxy(LOOPBACK, port)
        yield stage
    server.should_exit = True
    await serving


def _tell(tally: Tally) -> None:
    print(f"{tally.steps:,} steps compared, {tally.hits:,} of them answered alike from the store")
    for reason in EXPLAINED:
        print(f"{tally.explained[reason.what]:6,}  {reason.what}")
    for found in tally.unexplained[:SHOWN]:
        _show_difference("Nobody explains", found)


def _show_difference(what: str, found: Difference) -> None:
    print(f"\n{what}: they differ in {found.what!r} ({found.played.mode}).")
    for step in found.played.steps:
        print(f"  {step}")
    _show("this cache", found.played.ours)
    _show("Varnish", found.played.theirs)


def _show(who: str, seen: Seen) -> None:
    asked = "asked the app" if seen.asked else "did not ask the app"
    print(f"  {who} {asked}: {seen.answer.status} {seen.answer.fields} {seen.answer.body!r}")


def _write(tally: Tally, count: int, seed: int) -> None:
    report = {
        "beside": version(),
        "seed": seed,
        "sequences": count,
        "steps": tally.steps,
        "hits": tally.hits,
        "explained": {reason.what: tally.explained[reason.what] for reason in EXPLAINED},
    }
    RESULTS.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())

"""``asgi-cache warm``: a list of URLs, warmed one by one and none twice."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

from rich.text import Text

from asgi_cache.cli.crowd import crowd
from asgi_cache.cli.failing import Exit, Failure
from asgi_cache.cli.interrupting import interruptible
from asgi_cache.cli.journal import Journal
from asgi_cache.cli.opening import admin_url
from asgi_cache.cli.pace import Pace
from asgi_cache.cli.parser import Given
from asgi_cache.cli.screen import Screen, said, seconds
from asgi_cache.cli.warm_run import Bar, Run
from asgi_cache.cli.warmers import Warmed, Warmer, warmer
from asgi_cache.locating import absolute

_SHOWN: Final = 10
"""Of what failed, how much is told at the end; JSON has all."""


def warm(given: Given, screen: Screen) -> int:
    """Warm what is on the list."""
    urls = list(dict.fromkeys(_urls(given)))
    state = _state_of(given)
    journal = Journal(state, _whose(given), anew=given.restart)
    left = [url for url in urls if url not in journal.done]
    run = Run(len(urls), len(urls) - len(left))
    complete = False
    try:
        stopped = asyncio.run(_warm(given, left, run, journal, screen))
        complete = run.done == run.urls
    finally:
        journal.close(complete=complete)
    screen.answer(run.plain(), *_shown(run, stopped=stopped, state=state))
    if stopped:
        return Exit.INTERRUPTED
    if run.is_unanswered:
        return Exit.UNREACHABLE
    return Exit.NO if run.failed or run.vain else Exit.DONE


def _urls(given: Given) -> Iterator[str]:
    """Return what is to be warmed: an argument is a URL, or names a file of them."""
    base = given.base
    for named in given.list:
        is_url = "://" in named or (named.startswith("/") and base and not Path(named).is_file())
        for line in (named,) if is_url else _lines(named, base):
            try:
                yield absolute(line, base)
            except ValueError as error:
                hint = "; --base says of which host" if line.startswith("/") else ""
                raise Failure(Exit.USAGE, f"{error}{hint}") from error


def _lines(name: str, base: str) -> Iterable[str]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        text = text.removeprefix("\ufeff")  # as some editors begin a file
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not text"
        is_path = name.startswith("/") and not base
        hint = " (a path needs --base to be a URL)" if is_path else ""
        raise Failure(Exit.USAGE, f"{name}: cannot be read: {why}{hint}") from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _state_of(given: Given) -> Path | None:
    """Return where it is noted what is done: beside the first list, if it is a file."""
    if given.state is not None:
        return Path(given.state)
    files = [Path(name) for name in given.list if name != "-" and Path(name).is_file()]
    return files[0].with_name(f"{files[0].name}.warmed") if files else None


def _whose(given: Given) -> str:
    """Return what tells requests like these from others; no credential can be read from it."""
    said = repr((given.header, given.user, given.base, given.app, admin_url(given)))
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


async def _warm(given: Given, urls: list[str], run: Run, journal: Journal, screen: Screen) -> bool:
    """Warm *urls*, and return whether Ctrl-C has ended that before its time."""
    began_at, stopping = time.monotonic(), asyncio.Event()
    with interruptible(stopping, screen.note), Bar(run, screen) as shown:

        def take(warmed: Warmed) -> None:
            if run.take(warmed):
                journal.note(warmed.url)
            shown.update()

        async with warmer(given) as one:
            await _each(one, iter(urls), given.concurrency, Pace(given.rate), stopping, take)
    run.seconds = time.monotonic() - began_at
    return stopping.is_set()


async def _each(
    one: Warmer,
    urls: Iterator[str],
    concurrency: int,
    pace: Pace,
    stopping: asyncio.Event,
    take: Callable[[Warmed], None],
) -> None:
    """Warm *urls*, so many at a time, until there are no more or none is to be begun."""

    async def some() -> None:
        for url in urls:
            await pace.wait(stopping)
            if stopping.is_set():
                return
            take(await one.warm(url))

    await crowd(concurrency, some)


def _shown(run: Run, *, stopped: bool, state: Path | None) -> list[Text]:
    before = f" ({run.before:,} of them earlier)" if run.before else ""
    style = "yellow" if stopped or run.failed or run.vain else "green"
    total = f"{run.done:,} of {run.urls:,} URLs are done{before}, in {seconds(run.seconds)}."
    lines = [said(total, style)]
    for what, some in (("not stored", run.vain), ("failed", run.failed)):
        if some:
            lines.append(said(f"{len(some):,} {what}:", "yellow"))
            lines += [said(f"  {each.url}  {_reason(each)}") for each in some[:_SHOWN]]
            if len(some) > _SHOWN:
                lines.append(said(f"  and {len(some) - _SHOWN:,} more; --json lists all", "dim"))
    if run.done < run.urls and state is not None:
        lines.append(said(f"The same command goes on from there ({state})."))
    return lines


def _reason(warmed: Warmed) -> str:
    if warmed.error is not None:
        return warmed.error
    parts = (warmed.status, warmed.result, warmed.detail)
    return ", ".join(str(part) for part in parts if part is not None)

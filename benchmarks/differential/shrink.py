"""The shortest sequence that still shows a difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.differential.differences import Difference, difference
from benchmarks.differential.explained import explanation
from benchmarks.differential.stage import Stage
from benchmarks.differential.steps import Step


async def unexplained(stage: Stage, mode: str, steps: list[Step]) -> Difference | None:
    """Play *steps*; the first difference, if nobody explains it."""
    for played in await stage.play(mode, steps):
        found = difference(played)
        if found is not None:
            return found if explanation(found) is None else None
    return None


async def shortest(stage: Stage, found: Difference) -> Difference:
    """Leave out of what was played all that makes no difference to this one."""
    for steps in _simpler(list(found.played.steps)):
        simpler = await unexplained(stage, found.played.mode, steps)
        if simpler is not None and simpler.what == found.what:
            return await shortest(stage, simpler)
    return found


def _simpler(steps: list[Step]) -> Iterator[list[Step]]:
    """Yield the sequences that are simpler by one thing."""
    for index, step in enumerate(steps):
        before, after = steps[:index], steps[index + 1 :]
        if after:
            yield [*before, *after]
        for simpler in _simpler_steps(step):
            yield [*before, simpler, *after]


def _simpler_steps(step: Step) -> Iterator[Step]:
    if step.wait:
        yield replace(step, wait=0.0)
    for fields in _fewer(step.fields):
        yield replace(step, fields=fields)
    for fields in _fewer(step.said.fields):
        yield replace(step, said=replace(step.said, fields=fields))
    if step.said.etag:
        yield replace(step, said=replace(step.said, etag=""))
    if step.said.dated:
        yield replace(step, said=replace(step.said, dated=False))
    if step.said.status != 200:
        yield replace(step, said=replace(step.said, status=200))


def _fewer(
    fields: tuple[tuple[str, str], ...],
) -> Iterator[tuple[tuple[str, str], ...]]:
    for index in range(len(fields)):
        yield (*fields[:index], *fields[index + 1 :])

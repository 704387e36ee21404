"""What was found, as tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from benchmarks.speed import callgrind, stampede
from benchmarks.speed.client import BROWSER, CONNECTIONS
from benchmarks.speed.contestants import PEERS
from benchmarks.speed.targets import BY_THE_CLOCK

Found = Mapping[str, Any]
"""What `benchmarks.speed` writes as JSON."""

HEAD: Final = (
    *("", "beside", "requests/s", "ratio", "low – high", "p50 / p99, ms"),
    *("CPU, µs (ratio)", "instructions", "ratio"),
)

NOTES: Final = """\
**How.** Each contestant is a process of uvicorn with uvloop and httptools on one core; `wrk`, on
another one together with Redis, keeps {connections} connections busy with requests that have the
{fields} fields of a browser. Before it is measured, each is warmed up and verified: status and body
of every answer, and that the app behind the cache did not run for hits, or ran for each miss. Of
what `wrk` asks, the status and the number of runs are verified again.

- *Beside*: whom a contestant took turns with, {turns} times {seconds} s each. The ratio is the
  median of those of neighbouring turns, with the lowest and the highest. A bare app sends, as
  constants, the status, the fields and the body that the hit it stands beside was sent with. How
  far `bare` is from 1 beside itself is what this way of measuring does not see. Where the machine
  was not quiet, requests/s and latencies are worth little; CPU and instructions hold.
- *CPU* is the time of the server process, in user mode and in the kernel, for each request.
- *Redis* stores have `timeout=5s`, which no delay of the machine exceeds; all else is as it is
  unless stated.
- *Instructions* are those of the server process for each request as Callgrind counts them (which
  leaves out the kernel), while a client sends {waves} waves of {connections} requests, one on each
  connection, or {fewer_waves} where an app runs each time, and to other caches; {counts} times, of
  which the mean is given. The server is stopped while a wave is sent, so that it sees all of it at
  once each time. Under `wrk` fewer requests share a look-up in Redis, as the commands below show,
  and each has a little more of its cost. As everything takes fifty times as long under Callgrind, a
  Redis store has that much more patience (`timeout=10s&lag=10s`), and so have its leases.
- *FastAPI* has one endpoint that returns a `Response` of bytes, which is the least it can be asked;
  what a cache costs beside it seems the more for it.
- *Commands to Redis* include those that follow the log, which are sent so many times a second
  however many requests there are; below {by_the_clock:g} for each request they count as none.
- *Several processes* are all on the one core for servers, each with {connections} connections of
  its own and all with the same Redis. This shows what a process costs the others; how much faster
  several of them are can not be shown on {processors} cores.
- *Misses at once*: {clients} clients ask for what is not stored, of an app that takes
  {milliseconds:.0f} ms.
"""


def markdown(found: Found) -> str:
    """Write all tables, and how they came about."""
    parts = [
        "# How fast it is",
        _made_by(found["machine"]),
        *_section("Targets", _targets(found["targets"])),
        *_figures(found["rows"]),
        *_section("What the other caches were installed with", _of_peers(found["peers"])),
        *_section("Not measured", "\n".join(f"- {each}" for each in found["failures"])),
        *_section("How far counts of instructions repeat", _repeated(found["repeated"])),
        *_section("Commands to Redis, 1 KB", _commands(found["commands"])),
        *_section("Several processes on one core and one Redis, 1 KB", _workers(found["workers"])),
        *_section(f"{stampede.CLIENTS} misses at once", _stampedes(found["stampedes"])),
        _notes(found["effort"], found["machine"]["processors"]),
    ]
    return "\n\n".join(part for part in parts if part).rstrip() + "\n"


def _named(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _of_peers(peers: Mapping[str, Mapping[str, str]]) -> str:
    return "\n".join(f"- {_named(versions)}." for versions in peers.values())


def _made_by(machine: Found) -> str:
    return (
        f"Made by `make bench` on {machine['date']} on {machine['processors']} cores "
        f"(load average before: {machine['load']:.1f}), with {_named(machine['versions'])}."
    )


def _section(title: str, text: str) -> list[str]:
    return [f"## {title}", text] if text else []


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if len(lines) > 2 else ""


def _targets(targets: Sequence[Found]) -> str:
    rows = [
        (each["what"], each["target"], each["measured"], "pass" if each["passed"] else "**fail**")
        for each in targets
    ]
    return _table(("", "target", "measured", ""), rows)


def _figures(rows: Sequence[Found]) -> list[str]:
    peers = {peer.name for peer in PEERS}
    parts: list[str] = []
    for kind, is_peer in (("", False), ("Other caches, ", True)):
        for size in sorted({row["size"] for row in rows}):
            own = [row for row in rows if row["size"] == size and (row["name"] in peers) == is_peer]
            title = f"{kind}{size // 1024} KB"
            parts += _section(title, _table(HEAD, [_figure(row) for row in own]))
    return parts


def _figure(row: Found) -> list[str]:
    name, beside = f"{row['title']} (`{row['name']}`)", f"`{row['beside']}`"
    speed, counted = row["throughput"], row["instructions"]
    if speed is None or counted is None:
        return [name, beside, "not measured", *[""] * (len(HEAD) - 3)]
    ratio = speed["ratio"]
    return [
        name,
        beside,
        f"{speed['rate']:,.0f}",
        f"{ratio['median']:.3f}",
        f"{ratio['low']:.3f} – {ratio['high']:.3f}",
        f"{speed['p50']:.2f} / {speed['p99']:.2f}",
        f"{speed['processor_time']:.1f} ({speed['processor_time_ratio']['median']:.2f})",
        f"{counted['per_request']:,}",
        f"{row['instructions_ratio']:.3f}",
    ]


def _repeated(repeated: Sequence[Found]) -> str:
    rows = [
        (
            f"`{each['name']}`",
            ", ".join(f"{count:,}" for count in each["counts"]),
            f"{max(each['counts']) / min(each['counts']) - 1:.2%}",
        )
        for each in repeated
    ]
    return _table(("", "in processes one after another", "most / fewest − 1"), rows)


def _commands(commands: Sequence[Found]) -> str:
    rows = []
    for each in commands:
        times: Mapping[str, int] = each["times"]
        per_request = sum(times.values()) / each["requests"]
        which = ", ".join(f"{number:,} {name.upper()}" for name, number in times.items())
        rows.append((f"`{each['name']}`", f"{each['requests']:,}", which, f"{per_request:.4f}"))
    return _table(("", "requests", "commands", "for each request"), rows)


def _workers(workers: Sequence[Found]) -> str:
    numbers = sorted({each["number"] for each in workers})
    rows = [
        [f"`{name}`", *(_of_workers(workers, name, number) for number in numbers)]
        for name in dict.fromkeys(each["name"] for each in workers)
    ]
    head = [f"{number} process{'es' if number > 1 else ''}" for number in numbers]
    return _table(("CPU, µs for each request (requests/s)", *head), rows)


def _of_workers(workers: Sequence[Found], name: str, number: int) -> str:
    (each,) = [one for one in workers if (one["name"], one["number"]) == (name, number)]
    return f"{each['processor_time']:.1f} ({each['rate']:,.0f})"


def _stampedes(stampedes: Sequence[Found]) -> str:
    rows = [(each["title"], f"{each['runs']}", f"{each['milliseconds']:.0f}") for each in stampedes]
    return _table(("", "runs of the app", "ms until all are answered"), rows)


def _notes(effort: Found, processors: int) -> str:
    waves = effort["waves"]
    return NOTES.format(
        connections=CONNECTIONS,
        processors=processors,
        fields=len(BROWSER),
        turns=effort["turns"],
        seconds=effort["seconds"],
        counts=effort["counts"],
        waves=waves or callgrind.WAVES,
        fewer_waves=waves or callgrind.LESS,
        by_the_clock=BY_THE_CLOCK,
        clients=stampede.CLIENTS,
        milliseconds=stampede.SECONDS * 1e3,
    )

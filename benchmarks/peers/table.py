"""What was found, as a table in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Parts = Mapping[str, bool | int]


class Notes:
    """Footnotes; those that say the same are one."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def mark(self, text: str) -> str:
        """Note *text*, and return the mark to put in the table."""
        if text not in self.texts:
            self.texts.append(text)
        return f"<sup>{self.texts.index(text) + 1}</sup>"


def markdown(found: Mapping[str, Any]) -> str:
    """Write the table, its footnotes, and how each peer was set up."""
    peers: Mapping[str, Any] = found["peers"]
    notes = Notes()
    rows = [["", *(_heading(name, peer) for name, peer in peers.items())]]
    rows.append(["---"] * len(rows[0]))
    titles = next(iter(peers.values()))["probes"] if peers else {}
    for name, row in titles.items():
        rows.append([row["title"], *(_cell(p["probes"][name], notes) for p in peers.values())])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", *_remarks(found, notes.texts)]) + "\n"


def _heading(name: str, peer: Mapping[str, Any]) -> str:
    return f"{name} {peer['versions'].get(name, '')}".strip()


def _cell(row: Mapping[str, Any], notes: Notes) -> str:
    """Say what holds as set up and, where an option makes a difference, what holds with it."""
    if why := row.get("not_applicable"):
        return f"n/a{notes.mark(why)}"
    plain = _word(row["parts"], notes)
    if row.get("parts_with_option", row["parts"]) == row["parts"]:
        return plain
    return f"{plain}; with `{row['option']}` {_word(row['parts_with_option'], notes)}"


def _word(parts: Parts, notes: Notes) -> str:
    values = list(parts.values())
    if len(values) == 1 and not isinstance(values[0], bool):
        return str(values[0])
    if len(set(values)) == 1:
        return "yes" if values[0] else "no"
    sides = [f"{'yes' if value else 'no'}: {name}" for name, value in parts.items()]
    return f"partly{notes.mark('; '.join(sides))}"


def _remarks(found: Mapping[str, Any], notes: Sequence[str]) -> list[str]:
    starlettes = {peer["versions"].get("starlette", "") for peer in found["peers"].values()}
    beside = " and ".join(sorted(starlettes - {""}))
    lines = [f"Measured by `make peers` with Python {found['python']} and Starlette {beside}."]
    lines += [f"<sup>{number}</sup> {text}." for number, text in enumerate(notes, 1)]
    lines += [f"Not compared: {name}, {why}." for name, why in found["not_compared"].items()]
    settings = [
        f"- {name}: {' '.join(peer['settings'].split())}" for name, peer in found["peers"].items()
    ]
    return ["  \n".join(lines), "", "How each was set up:", "", *settings]

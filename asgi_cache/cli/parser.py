"""What can be written after ``asgi-cache``; the reference in the docs is made from it too.

Nothing here needs more than Python, so that what is wrong with a command line can be said
even where the rest is not installed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias

from asgi_cache.cli.failing import Exit, Failure

SHELLS: Final = ("bash", "zsh", "fish")

Given: TypeAlias = argparse.Namespace
"""What a command line says."""

_Commands: TypeAlias = Any
"""Where a command is added; its class in argparse is private."""


class Parser(argparse.ArgumentParser):
    """A parser that leaves it to others to say what is wrong, in one line."""

    def error(self, message: str) -> NoReturn:
        """Refuse a command line.

        Raises:
            Failure: Always.
        """
        raise Failure(Exit.USAGE, f"{message} ({self.prog} --help says more)")


def make_parser() -> Parser:
    """Return the parser of every command."""
    parser = Parser(
        prog="asgi-cache",
        description="Look into a cache, purge it, fill it and measure it.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    _add_output(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for add in (
        *(_add_demo, _add_check, _add_explain, _add_stats, _add_entries, _add_inspect),
        *(_add_purge, _add_warm, _add_bench, _add_advise, _add_completion),
    ):
        add(commands)
    return parser


def _command(commands: _Commands, name: str, meaning: str, more: str = "") -> Parser:
    command: Parser = commands.add_parser(
        name,
        help=meaning,
        description=f"{meaning[0].upper()}{meaning[1:]}. {more}".strip(),
        allow_abbrev=False,
    )
    _add_output(command)
    return command


def _add_output(parser: Parser) -> None:
    """Let the command line say how an answer looks, before the command or after it."""
    output = parser.add_argument_group("output")
    for name, meaning in (
        ("--json", "print JSON, errors too"),
        ("--no-color", "print no colours; as NO_COLOR=1"),
        ("--debug", "show where an error came from"),
    ):
        # A command that does not say it must not take back what stands before it.
        output.add_argument(name, action="store_true", default=argparse.SUPPRESS, help=meaning)


def _add_where(command: Parser, *, app: str = "") -> None:
    """Let the command line say which cache is meant."""
    where = command.add_argument_group(
        "which cache",
        "As the library has it: a file, then ASGI_CACHE_* variables. Or that of a running app.",
    )
    _file(where, "--config", metavar="FILE", help="the TOML file with its settings")
    if app:
        where.add_argument("--app", metavar="MODULE:ATTRIBUTE", help=app)
    where.add_argument(
        "--url",
        metavar="URL",
        help="where a running app has its admin API; or else ASGI_CACHE_ADMIN_URL, unless it is ''",
    )
    where.add_argument(
        "--token",
        metavar="TOKEN",
        help="what lets one in there; better ASGI_CACHE_ADMIN_TOKEN, which no list of processes "
        "shows",
    )


def _file(group: Any, *names: str, **said: Any) -> None:
    """Add an argument that is a file, which shells complete."""
    argument = group.add_argument(*names, type=Path, **said)
    argument.complete = dict.fromkeys(("zsh",), "_files") | {"bash": "_shtab_compgen_files"}


def _add_request(command: Parser) -> None:
    """Let the command line say what a client would send, and who that is."""
    _add_fields(command)
    command.add_argument("--user", metavar="ID", help="whose request it is")


def _add_fields(command: Parser) -> None:
    command.add_argument(
        *("-H", "--header"),
        action="append",
        default=[],
        type=_field,
        metavar="'NAME: VALUE'",
        help="a field of the request; several times for several",
    )


def _add_demo(commands: _Commands) -> None:
    command = _command(
        commands, "demo", "show the cache at work, in front of a slow app of its own"
    )
    command.add_argument("--store", default=None, metavar="URL", help="of the store; or none")
    command.add_argument("--serve", action="store_true", help="leave the app running")


def _add_check(commands: _Commands) -> None:
    command = _command(
        commands,
        "check",
        "check a file of settings and rules, and print what each rule says",
        "Exits with 1 if something in it cannot be used, with 2 if there is no such file.",
    )
    _file(command, "file", metavar="FILE", help="TOML, or a pyproject.toml with [tool.asgi-cache]")
    command.add_argument(
        "--app", metavar="MODULE:ATTRIBUTE", help="the app, whose handlers may state rules too"
    )


def _add_explain(commands: _Commands) -> None:
    command = _command(
        commands, "explain", "say what would become of a request, without asking the app"
    )
    command.add_argument("address", metavar="REQUEST-URL", help="absolute, or a path")
    command.add_argument("-X", "--method", default="GET", metavar="METHOD", help="of the request")
    _add_request(command)
    command.add_argument(
        "--status", type=int, default=200, metavar="CODE", help="what the app would answer with"
    )
    command.add_argument(
        "--answered",
        action="append",
        default=[],
        type=_field,
        metavar="'NAME: VALUE'",
        help="a field of what the app would answer",
    )
    _add_where(command, app="the app, whose handlers may state rules, or its Cache")


def _add_stats(commands: _Commands) -> None:
    command = _command(
        commands,
        "stats",
        "print what a running app's cache has counted",
        "The counts are in the app's processes, so that this needs --url.",
    )
    command.add_argument("--watch", action="store_true", help="print it anew until Ctrl-C")
    command.add_argument(
        *("--interval", "-n"),
        type=_positive,
        default=1.0,
        metavar="SECONDS",
        help="between two looks with --watch (1)",
    )
    _add_where(command)


def _add_entries(commands: _Commands) -> None:
    command = _command(commands, "entries", "list what is stored")
    command.add_argument("--prefix", default="", metavar="URL", help="with which the URL begins")
    command.add_argument("--tag", default="", metavar="TAG", help="that the response has")
    command.add_argument(
        "--limit", type=_count, default=50, metavar="N", help="at most so many at a time (50)"
    )
    command.add_argument("--cursor", default=None, metavar="CURSOR", help="where to go on")
    command.add_argument("--all", action="store_true", help="go on to the end")
    _add_where(command, app="the app, or its Cache")


def _add_inspect(commands: _Commands) -> None:
    command = _command(
        commands,
        "inspect",
        "print a stored response: its head, its lifetime, its tags",
        "Exits with 1 if nothing is stored.",
    )
    command.add_argument("address", metavar="KEY|URL", help="a key as entries lists it, or a URL")
    command.add_argument("--body", action="store_true", help="print the body too")
    _add_where(command, app="the app, or its Cache")


def _add_purge(commands: _Commands) -> None:
    command = _command(
        commands,
        "purge",
        "void stored responses and values in every process",
        "What any of the selectors names is void; with --all-of, what all of them name.",
    )
    what = command.add_argument_group("what")
    what.add_argument("address", nargs="*", metavar="URL", help="of stored responses")
    for name, meaning in (
        ("tag", "of responses and values"),
        ("path", "with all that is below it, on every host"),
        ("route", "the pattern of a rule"),
        ("key", "of a value"),
    ):
        what.add_argument(
            f"--{name}", action="append", default=[], metavar=name.upper(), help=meaning
        )
    what.add_argument("--user", metavar="ID", help="all that is stored for that user")
    what.add_argument("--everything", action="store_true", help="all there is")
    how = command.add_argument_group("how")
    how.add_argument("--all-of", action="store_true", help="only what all of these name")
    how.add_argument("--soft", action="store_true", help="make it stale, not void")
    how.add_argument("--wait", action="store_true", help="until no process serves it any more")
    how.add_argument("--dry-run", action="store_true", help="only count what it would void")
    how.add_argument("--yes", action="store_true", help="do not ask before all is purged")
    _add_where(command, app="the app, whose handlers may state routes, or its Cache")


def _add_warm(commands: _Commands) -> None:
    command = _command(
        commands,
        "warm",
        "have responses made and stored in advance, as far as they are not",
        "Asks for each URL as a client does; or, with --url, has a running app do it; or, with "
        "--app, does it in an app of its own. Ctrl-C lets what is under way come to its end; the "
        "same command goes on from there.",
    )
    command.add_argument(
        "list",
        nargs="+",
        metavar="FILE|URL",
        help="a file with a URL in each line, - for standard input, or a URL",
    )
    _add_request(command)
    command.add_argument(
        *("-c", "--concurrency"), type=_count, default=8, metavar="N", help="URLs at a time (8)"
    )
    command.add_argument(
        "--rate", type=_positive, default=None, metavar="N", help="at most so many URLs a second"
    )
    command.add_argument(
        "--base", default="", metavar="URL", help="scheme and host, where a URL is only a path"
    )
    _file(
        command,
        "--state",
        metavar="FILE",
        default=None,
        help="where it is noted what is done; FILE.warmed beside the list, unless stated",
    )
    command.add_argument("--restart", action="store_true", help="forget what was done before")
    _add_where(command, app="the app; its lifespan is run")


def _add_bench(commands: _Commands) -> None:
    command = _command(
        commands,
        "bench",
        "measure a URL with the cache, and without it (Cache-Control: no-cache)",
        "The client is written in Python: what is quicker than itself it cannot tell apart.",
    )
    command.add_argument("address", metavar="REQUEST-URL", help="absolute")
    command.add_argument(
        *("-n", "--requests"), type=_count, default=500, metavar="N", help="each way (500)"
    )
    command.add_argument(
        *("-c", "--concurrency"), type=_count, default=8, metavar="N", help="at a time (8)"
    )
    _add_fields(command)


def _add_advise(commands: _Commands) -> None:
    command = _command(
        commands,
        "advise",
        "say what is worth storing, and for how long, by what an observing app has seen",
        "What was learned is in the app's processes, so that this needs --url, or what an earlier "
        "--json has printed.",
    )
    _file(command, "file", nargs="?", metavar="FILE", help="the JSON of an earlier advice")
    command.add_argument("--toml", action="store_true", help="print it as a file of rules")
    _add_where(command)


def _add_completion(commands: _Commands) -> None:
    command = _command(
        commands,
        "completion",
        "print what has a shell complete this command",
        "For bash, say: asgi-cache completion bash "
        "> ~/.local/share/bash-completion/completions/asgi-cache",
    )
    command.add_argument("shell", choices=SHELLS, help="which shell")


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is not a field: write 'Name: value'")
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} has characters that no field has") from None
    return name.strip(), value.strip()


def _number(text: str, read: Callable[[str], float], what: str) -> float:
    try:
        number = read(text)
    except ValueError:
        number = 0
    if not 0 < number < 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return number


def _count(text: str) -> int:
    return int(_number(text, int, "a number from 1 on"))


def _positive(text: str) -> float:
    return _number(text, float, "a number above 0")

"""What README and docs say that one should write is run, page by page, from top to bottom."""

from __future__ import annotations

import ast
import asyncio
import re
import shutil
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
import uvicorn
from sybil import Document
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

from asgi_cache import Cache, ConfigurationError
from asgi_cache.rules import RuleSet
from tests.bare import App
from tests.redis_server import running_redis

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if "```" in p.read_text()
)
FENCES = RawFencedCodeBlockLexer(re.compile(r"(?P<language>[\w-]*)[^\n]*\n"))
NOT_RUN = re.compile(r"<!-- not run: \S.* -->\s*\Z")
INCLUDED = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def blocks(page: Document):
    """Find what stands between fences, but for what the page says is not run, and why."""
    for region in FENCES(page):
        if not NOT_RUN.search(page.text, 0, region.start):
            region.parsed = INCLUDED.sub(
                lambda found: (ROOT / found[1]).read_text(), region.lexemes["source"]
            )
            yield region


class Reader:
    """Somebody who does what a page says, in a folder of their own.

    An app is theirs, and a Redis server; all the rest they have from the page.
    """

    def __init__(self, page: Path, runner: asyncio.Runner, redis_port: int) -> None:
        self.page = Document.parse(str(page), blocks)
        self.names = self.page.namespace
        self.names["__name__"] = "__main__"  # as in a REPL; frameworks look it up
        self.names["app"] = App()
        self.runner = runner
        self.redis = f"localhost:{redis_port}"
        self.absent: set[str] = set()

    def read(self) -> None:
        """Run every block, with what the ones before it have defined."""
        for block in self.page:
            language = block.region.lexemes["language"]
            run = getattr(self, f"run_{language}", None)
            assert run, (
                f"{self.page.path}:{block.line}: {language or 'a block'} is not run; say why"
            )
            run(block.parsed.replace("localhost:6379", self.redis), block.line)

    def run_python(self, source: str, line: int) -> None:
        """Run it as in a REPL: it may await outside of functions. What it calls rules are some."""
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile("\n" * line + source, self.page.path, "exec", flags, dont_inherit=True)
        awaitable = eval(code, self.names)
        if awaitable is not None:
            self.runner.run(awaitable)
        RuleSet.from_mapping(self.names.get("rules", {}))

    def run_toml(self, source: str, line: int) -> None:
        """Load it, and leave it as the file that a block after it may load."""
        del line
        path = Path("asgi-cache.toml")
        path.write_text(source)
        self.names["settings"] = Cache.from_config(path, environ={}).settings

    def run_console(self, source: str, line: int) -> None:
        """Have a shell run what follows each ``$`` while the app is served; compare the rest."""
        del line
        commands, expected = zip(*COMMAND.findall(source), strict=True)
        absent = {name for name in (c.split()[0] for c in commands) if not shutil.which(name)}
        self.absent |= absent
        if not absent:
            said = self.runner.run(self._said(commands))
            assert without_time(said) == without_time(expected)

    async def _said(self, commands: Iterable[str]) -> list[str]:
        """Return what each prints, with the page's app where they think it is."""
        server = uvicorn.Server(
            uvicorn.Config(self.names["app"], lifespan="off", log_level="error")
        )
        said = []
        with socket.create_server(("127.0.0.1", 0)) as listening:
            address = f"127.0.0.1:{listening.getsockname()[1]}"
            serving = asyncio.create_task(server.serve([listening]))
            for command in commands:
                shell = await asyncio.create_subprocess_shell(
                    command.replace("localhost:8000", address), stdout=subprocess.PIPE
                )
                said.append((await shell.communicate())[0].decode().replace("\r", ""))
            server.should_exit = True
            await serving
        return said

    def run_text(self, source: str, line: int) -> None:
        """It is nothing that could be run."""

    async def close(self) -> None:
        """Close what the page has made."""
        for value in self.names.values():
            if isinstance(value, Cache):
                await value.close()


def without_time(said: Iterable[str]) -> list[str]:
    return [re.sub(r"ttl=\d+", "ttl=…", each) for each in said]


@pytest.fixture(scope="module")
def redis_port():
    with running_redis() as server:
        yield server.port


@pytest.fixture
def read(tmp_path, monkeypatch, redis_port):
    """Read a page in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def read(page: Path) -> None:
        with asyncio.Runner() as runner:
            reader = Reader(page, runner, redis_port)
            try:
                reader.read()
            finally:
                runner.run(reader.close())
        if reader.absent:
            pytest.skip(f"all but what needs {reader.absent}, which is not there")

    return read


@pytest.mark.parametrize("page", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in PAGES])
def test_what_a_page_shows_runs(page, read):
    """Each block runs after those above it, or says why it is not run."""
    read(page)


WRONG = {
    "no-language": "```\nx\n```\n",
    "unknown-language": "```ruby\nx\n```\n",
    "no-reason": "<!-- not run: -->\n```ruby\nx\n```\n",
    "reason-of-another-block": "<!-- not run: why -->\n```ruby\n```\n\n```ruby\n```\n",
    "python": "```python\nundefined\n```\n",
    "python-that-awaits": "```python\nawait undefined()\n```\n",
    "rules": "```python\nrules = {'/a': 'soon'}\n```\n",
    "toml": "```toml\ntll = 1\n```\n",
    "console": "```console\n$ echo a\nb\n```\n",
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in WRONG.items()])
def test_what_does_not_run_is_noticed(text, read, tmp_path):
    """Each of these pages is wrong."""
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises((AssertionError, NameError, ConfigurationError)):
        read(page)


def test_a_command_that_is_not_there_is_skipped_last(read, tmp_path):
    """A machine may have no curl; the rest of the page is run all the same."""
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ no-such-command\n```\n\n```python\nopen('ran', 'x').close()\n```\n"
    )
    with pytest.raises(pytest.skip.Exception):
        read(page)
    assert (tmp_path / "ran").exists()


def test_blocks_share_names_and_files(read, tmp_path):
    """What one block defines the next ones know; what says why it is not run is not."""
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nimport asyncio\nname = await asyncio.sleep(0, 'a')\n```\n\n"
        "```toml\nnamespace = 'a'\n```\n\n"
        "<!-- not run: Ruby is not at hand -->\n```ruby\nx\n```\n\n"
        '!!! note\n\n    ```python title="a.py"\n    assert settings.namespace == name\n    ```\n\n'
        "```console\n$ echo a\na\n$ true\n```\n"
    )
    read(page)

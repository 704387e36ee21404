"""What README and docs say is what the code does."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import pytest
from fastapi import FastAPI

from asgi_cache import Cache, ConfigurationError, cached
from tests.bare import ask
from tests.catalogue.limits import LIMITS, names_of_tests

ROOT = Path(__file__).parent.parent


def load(path: Path):
    """Import a file that is part of no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("page", load(ROOT / "docs" / "tables.py").PAGES)
def test_tables_are_the_codes_own(page):
    """Fields, settings and details are described in one place; ``python docs/tables.py`` copies."""
    text = (ROOT / page).read_text()
    assert load(ROOT / "docs" / "tables.py").filled(text) == text


def test_every_limit_has_its_test():
    """What the table of limits says is shown by the test that it names."""
    assert {limit.test for limit in LIMITS} <= set(names_of_tests(ROOT))


@pytest.mark.anyio
async def test_the_quickstart_works_as_it_is_pasted(tmp_path):
    """The first Python block of the README is a whole app, of at most 15 lines."""
    source = blocks("README.md", "python")[0]
    assert len([line for line in source.splitlines() if line.strip()]) <= 15
    (tmp_path / "main.py").write_text(source)
    app = load(tmp_path / "main.py").app
    assert isinstance(app, FastAPI)
    answers = [await ask(app, "/tasks/7") for _ in range(2)]
    assert [a.body for a in answers] == [b'{"task":7}'] * 2
    assert [a.cache_status for a in answers] == [
        "asgi-cache; fwd=uri-miss; stored",
        "asgi-cache; hit",
    ]


def test_the_error_in_the_readme_is_the_one_that_is_raised():
    """A reader who sees it can search for it."""
    (shown,) = re.findall(r"```text\n(Cache: rule .*)\n```", (ROOT / "README.md").read_text())
    with pytest.raises(ConfigurationError) as caught:
        Cache(rules={"/tasks": {"tll": 60}})
    assert str(caught.value) == shown


@pytest.mark.parametrize(
    "page",
    sorted(
        p.relative_to(ROOT).as_posix() for p in [*ROOT.glob("docs/**/*.md"), ROOT / "README.md"]
    ),
)
def test_links_lead_somewhere(page):
    """Every relative link names a file that is there."""
    path = ROOT / page
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_python_is_one_that_is_supported():
    """The suite runs where the package says it does."""
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert (
        f"Programming Language :: Python :: 3.{sys.version_info.minor}"
        in (metadata["project"]["classifiers"])
    )


@pytest.mark.anyio
async def test_the_explanation_in_the_readme_is_what_is_said():
    """A reader compares it with their own."""
    (shown,) = [each for each in blocks("README.md", "text") if each.startswith("request ")]
    app = FastAPI()

    @app.get("/users/{user_id}")
    @cached("5m", tags=["user:{user_id}"])
    def read_user(user_id: int): ...

    cache = Cache()
    cache.attach(app)
    said = await cache.explain("GET", "/users/7", headers={"Authorization": "Bearer x"})
    assert re.sub("digest '[0-9a-f]{32}'", "digest '…'", str(said)) == shown.strip()

"""What the gate installs is what ``pyproject.toml`` asks for, and is named by hash."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / ".ci/requirements.txt").read_text()
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
EXTRAS = ("test", "lint", "docs")


def pinned(python):
    """The versions that a Python on Linux takes from the lock."""
    found = {}
    for line in re.findall(r"^(\S.*?) \\$", LOCK, re.MULTILINE):
        requirement = Requirement(line)
        here = {"python_version": python, "python_full_version": f"{python}.9"}
        if requirement.marker is None or requirement.marker.evaluate(here):
            (version,) = requirement.specifier
            assert canonicalize_name(requirement.name) not in found
            found[canonicalize_name(requirement.name)] = version.version
    return found


def wanted(python):
    """What the package and these extras ask for, those that they name included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts, extras = list(project["dependencies"]), list(EXTRAS)
    while extras:
        for text in project["optional-dependencies"][extras.pop()]:
            requirement = Requirement(text)
            if requirement.name == project["name"]:
                extras += requirement.extras
            elif requirement.marker is None or requirement.marker.evaluate(
                {"python_version": python}
            ):
                texts.append(text)
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_has_what_is_asked_for(python):
    """Run ``make lock`` after a change of dependencies."""
    versions = pinned(python)
    for requirement in wanted(python):
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, requirement
        assert requirement.specifier.contains(version), requirement


def test_every_version_has_hashes_and_nothing_else_is_said():
    """No line names an index, a URL or an option; a file without a hash is not taken."""
    requirement = r"[\w.-]+==[\w.]+(?: ; .+)? \\\n"
    hashes = r"(?:    --hash=sha256:[0-9a-f]{64} \\\n)*    --hash=sha256:[0-9a-f]{64}\n"
    assert re.fullmatch(f"(?:{requirement}{hashes})+", LOCK)
    assert "://" not in LOCK

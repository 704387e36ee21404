"""What is stored is listed, looked into and counted: by a running app, and without one."""

from __future__ import annotations

import json

import pytest

from asgi_cache.cli.failing import Exit
from tests.cli.shop import TOKEN


@pytest.fixture(params=["app", "store"])
def asked(request, command, shop):
    """Ask the running app, or the store that it uses."""
    where = {
        "app": ("--url", f"{shop.url}/cache-admin", "--token", TOKEN),
        "store": ("--config", shop.config),
    }[request.param]
    return lambda *arguments: command(*arguments, *where)


@pytest.fixture
def stored(fill):
    """Have products stored; their URLs."""
    return lambda *numbers: [fill(f"/products/{number}") for number in numbers]


def test_entries_are_listed_by_prefix_and_tag(asked, shop, stored):
    """A line has the key by which it is looked into."""
    urls = stored(20_000, 20_001, 20_002)
    said = asked("entries", "--prefix", f"{shop.url}/products/2000", "--json")
    assert (said.code, said.err) == (Exit.DONE, "")
    found = {each["url"]: each for each in json.loads(said.out)["entries"]}
    assert sorted(found) == urls
    assert found[urls[0]]["tags"] == ["products", "product:20000"]
    shown = asked("entries", "--tag", "product:20001").out
    (line,) = shown.splitlines()[1:]
    assert urls[1] in line
    assert line.startswith(found[urls[1]]["key"])
    assert "Nothing of that is stored" in asked("entries", "--tag", "no-such-tag").out


def test_a_page_says_where_to_go_on(asked, shop, stored):
    """All pages have each entry once; so has --all."""
    urls = stored(*range(20_010, 20_016))
    named = ("entries", "--prefix", f"{shop.url}/products/2001", "--limit", "2")
    page = json.loads(asked(*named, "--json").out)
    found = page["entries"]
    assert len(found) <= 2
    while page["cursor"] is not None:
        page = json.loads(asked(*named, "--cursor", page["cursor"], "--json").out)
        found += page["entries"]
    assert sorted(each["url"] for each in found) == urls
    every = json.loads(asked(*named, "--all", "--json").out)
    assert sorted(each["url"] for each in every["entries"]) == urls
    assert every["cursor"] is None


def test_an_entry_is_looked_into_by_its_url_and_by_its_key(asked, stored):
    """Nothing that a terminal would obey comes from it."""
    (url,) = stored(20_020)
    plain = json.loads(asked("inspect", url, "--body", "--json").out)
    (entry,) = plain["entries"]
    assert (entry["url"], entry["status"], entry["valid"]) == (url, 200, True)
    assert entry["body"] == "product 20020"
    assert ["x-note", "a\x1b[31mb"] in entry["headers"]
    said = asked("inspect", entry["key"])
    assert (said.code, said.err) == (Exit.DONE, "")
    assert url in said.out
    assert "a\\x1b[31mb" in said.out
    assert "\x1b" not in said.out
    assert "products, product:20020" in said.out
    assert asked("inspect", "/products/20020").out.startswith(f"key     {entry['key']}")


def test_what_is_not_stored_is_no(asked, shop):
    """A script can tell by the status."""
    for named in (f"{shop.url}/products/20030", "0" * 32):
        said = asked("inspect", named)
        assert (said.code, said.out) == (Exit.NO, "")
        assert f"nothing is stored for {named}" in said.err


def test_a_dry_run_counts_and_purges_nothing(asked, shop, stored):
    """It names some of what it would void."""
    urls = stored(20_040, 20_041)
    named = [*("--path", "/products/20040"), *("--path", "/products/20041")]
    plain = json.loads(asked("purge", *named, "--dry-run", "--json").out)
    assert (plain["purged"], plain["matching"], sorted(plain["sample"])) == (False, 2, urls)
    said = asked("purge", *named, "--dry-run", "--soft")
    assert said.out.startswith("It would make stale 2 stored responses and values.\n")
    assert "; hit" in shop.get("/products/20040").headers["cache-status"]

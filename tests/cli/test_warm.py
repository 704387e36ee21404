"""``asgi-cache warm``: a list that is gone through once, whatever comes in between."""

from __future__ import annotations

import json
import re
import sys
import time

import pytest

from asgi_cache.cli.failing import Exit, Failure
from asgi_cache.cli.journal import Journal
from tests.cli.shop import TOKEN, UNLUCKY
from tests.cli.terminal import Terminal

MANY = 1000


def products(first, count):
    return [f"/products/{number}" for number in range(first, first + count)]


def written(path, urls):
    path.write_text("\n".join(urls) + "\n")
    return path


def done(state):
    """The URLs that a state names."""
    return {json.loads(line)["url"] for line in state.read_text().splitlines()[1:]}


def test_a_thousand_urls_are_warmed_once_each_though_ctrl_c_comes_between(shop, tmp_path):
    """What was done is not done again, what was under way is done, and nothing is left out."""
    paths = products(10_000, MANY)
    urls = written(tmp_path / "urls", ["# what sells", *paths, "", paths[0]])
    state = tmp_path / "urls.warmed"
    arguments = ("warm", urls, "--base", shop.url)
    first = Terminal(*arguments)
    first.read("warming")
    while not state.exists() or len(state.read_text().splitlines()) < MANY // 5:
        assert first.process.poll() is None
        time.sleep(0.01)
    first.type("\x03")
    assert first.wait() == Exit.INTERRUPTED, first.said
    assert "Waiting for what is under way; press Ctrl-C again to stop at once." in first.said
    before = {url.removeprefix(shop.url) for url in done(state)}
    assert MANY // 5 < len(before) < MANY
    assert before == set(shop.counts()["asked"]) & set(paths)

    second = Terminal(*arguments)
    assert second.wait() == Exit.DONE, second.said
    assert f"{len(before):,} of them earlier" in second.said
    assert re.search(rf"warming .*{MANY}/{MANY}", second.said)
    counts = shop.counts()
    for counted in (counts["asked"], counts["ran"]):
        assert {path: counted.get(path) for path in paths} == dict.fromkeys(paths, 1)
    assert not state.exists()
    assert shop.get(paths[-1], **{"Cache-Control": "only-if-cached"}).status_code == 200


@pytest.mark.slow
def test_ctrl_c_twice_waits_for_nothing(shop, tmp_path):
    """What was under way then is done again: it may not have been stored."""
    urls = written(tmp_path / "urls", ["/products/1", "/endless"])
    warming = Terminal("warm", urls, "--base", shop.url, "--concurrency", "1")
    while "/endless" not in shop.counts()["asked"]:
        assert warming.process.poll() is None
        time.sleep(0.01)
    warming.type("\x03")
    warming.read("Waiting for what is under way")
    warming.type("\x03")
    assert warming.wait() == Exit.INTERRUPTED
    assert done(tmp_path / "urls.warmed") == {f"{shop.url}/products/1"}
    assert "Traceback" not in warming.said


def test_what_fails_is_tried_again_and_nothing_else(command, shop, tmp_path):
    """The state is kept until all is done; a response that is not to be stored is done."""
    urls = written(tmp_path / "urls", ["/products/20", f"/products/{UNLUCKY}", "/cart"])
    for times in (1, 2):
        said = command("warm", urls, "--base", shop.url, "--json")
        plain = json.loads(said.out)
        assert (said.code, said.err) == (Exit.NO, "")
        assert [each["url"] for each in plain["failed"]] == [f"{shop.url}/products/{UNLUCKY}"]
        assert plain["failed"][0]["status"] == 503
        asked = shop.counts()["asked"]
        assert [asked[path] for path in ("/products/20", f"/products/{UNLUCKY}")] == [1, times]
    assert plain["before"] == 2
    assert (plain["stored"], plain["not_stored"], plain["left"]) == (0, [], 0)
    assert done(tmp_path / "urls.warmed") == {f"{shop.url}/products/20", f"{shop.url}/cart"}


def test_what_is_not_to_be_stored_is_named_with_the_reason(command, shop):
    """Its URL is not one to be warmed."""
    said = command("warm", f"{shop.url}/cart", f"{shop.url}/products/21")
    assert said.code == Exit.NO
    assert "2 of 2 URLs are done" in said.out
    assert f"{shop.url}/cart  200, uncacheable, private" in said.out


def test_a_list_may_be_as_windows_writes_it(command, shop, tmp_path):
    """With a byte order mark in front, and carriage returns."""
    urls = tmp_path / "urls"
    urls.write_bytes(b"\xef\xbb\xbf/products/62\r\n/products/63\r\n")
    said = command("warm", urls, "--base", shop.url, "--json")
    assert (said.code, json.loads(said.out)["stored"]) == (Exit.DONE, 2)


def test_no_session_begins(command, shop):
    """What is warmed after an answer that sets a cookie is for those who have none, too."""
    urls = [shop.url + path for path in ("/cart", "/products/65", "/cart")]
    command("warm", *urls, "--concurrency", "1")
    asked = shop.counts()["asked"]
    assert asked["/products/65"] == 1
    assert "with a cookie" not in asked


def test_restart_forgets_what_was_done(command, shop, tmp_path):
    """A list that is to be gone through anew need not be renamed."""
    urls = written(tmp_path / "urls", ["/products/22", f"/products/{UNLUCKY}"])
    command("warm", urls, "--base", shop.url)
    said = command("warm", urls, "--base", shop.url, "--restart", "--json")
    assert (json.loads(said.out)["before"], shop.counts()["asked"]["/products/22"]) == (0, 2)


def test_restart_costs_nobody_a_file(command, tmp_path):
    """It forgets what it has noted itself, and no list that a slip has named in its place."""
    urls = written(tmp_path / "urls", ["http://127.0.0.1:1/x"])
    said = command("warm", urls, "--state", urls, "--restart")
    assert said.code == Exit.USAGE
    assert "is no state of asgi-cache warm" in said.err
    assert urls.exists()


def test_a_state_of_other_requests_is_not_gone_on_with(command, shop, tmp_path):
    """What was stored for one user is not stored for another."""
    urls = written(tmp_path / "urls", ["/products/23", f"/products/{UNLUCKY}"])
    command("warm", urls, "--base", shop.url)
    said = command("warm", urls, "--base", shop.url, "--header", "Authorization: Bearer secret")
    assert said.code == Exit.USAGE
    assert "is the state of other requests" in said.err
    assert "--restart" in said.err
    assert "secret" not in (tmp_path / "urls.warmed").read_text()


def test_what_another_app_has_warmed_is_not_done(command, shop, tmp_path, monkeypatch):
    """Nor if it is a variable that names it."""
    urls = written(tmp_path / "urls", ["/products/24", f"/products/{UNLUCKY}"])
    monkeypatch.setenv("ASGI_CACHE_ADMIN_TOKEN", TOKEN)
    monkeypatch.setenv("ASGI_CACHE_ADMIN_URL", f"{shop.url}/cache-admin")
    assert command("warm", urls, "--base", shop.url).code == Exit.NO
    monkeypatch.setenv("ASGI_CACHE_ADMIN_URL", "http://127.0.0.1:1/cache-admin")
    said = command("warm", urls, "--base", shop.url)
    assert said.code == Exit.USAGE
    assert "is the state of other requests" in said.err


def test_an_empty_url_undoes_the_variable(command, shop, monkeypatch):
    """So that a list can be asked for as a client does where an admin API is usually meant."""
    monkeypatch.setenv("ASGI_CACHE_ADMIN_URL", "http://127.0.0.1:1/cache-admin")
    named = ("warm", "/products/25", "--base", shop.url)
    assert command(*named).code == Exit.UNREACHABLE
    said = command(*named, "--url", "")
    assert (said.code, said.err) == (Exit.DONE, "")
    assert shop.counts()["asked"]["/products/25"] == 1


def test_the_rate_is_kept(command, shop):
    """So many a second are begun, evenly."""
    urls = [shop.url + path for path in products(30, 11)]
    said = command("warm", *urls, "--rate", "50", "--json")
    assert said.code == Exit.DONE
    assert json.loads(said.out)["seconds"] >= 10 / 50


def test_an_app_of_ones_own_warms_for_those_that_run(command, shop, monkeypatch):
    """Its lifespan is run, and what it stores in Redis the others serve."""
    monkeypatch.setenv("SHOP_CONFIG", str(shop.config))
    monkeypatch.delitem(sys.modules, "tests.cli.shop")  # so that it reads that
    said = command("warm", "/products/50", "--app", "tests.cli.shop:app", "--base", shop.url)
    assert (said.code, said.err) == (Exit.DONE, "")
    answer = shop.get("/products/50")
    assert "; hit" in answer.headers["cache-status"]
    assert shop.counts()["ran"].get("/products/50") is None


def test_nobody_who_answers_is_no_answer(command):
    """It is not that the URLs are wrong."""
    said = command("warm", "http://127.0.0.1:1/x")
    assert said.code == Exit.UNREACHABLE
    assert "http://127.0.0.1:1/x  All connection attempts failed" in said.out


def test_a_host_that_cannot_be_one_keeps_no_other_from_being_warmed(command, shop):
    """Such as a name that no coding of names yields; it is told of in the end."""
    said = command("warm", "http://xn--/", f"{shop.url}/products/66", "--json")
    plain = json.loads(said.out)
    assert (said.code, plain["stored"]) == (Exit.NO, 1)
    (failed,) = plain["failed"]
    assert failed["url"] == "http://xn--/"
    assert failed["error"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param(["http://[::1"], "'http://[::1' is no URL", id="no-address"),
        pytest.param(
            ["/x"],
            "/x: cannot be read: No such file or directory (a path needs --base to be a URL)",
            id="a-path-without-a-host",
        ),
        pytest.param(["no-such-file"], "no-such-file: cannot be read", id="no-file"),
        pytest.param(["http:///x"], "is not an absolute URL", id="no-host"),
        pytest.param(["http://h/", "--state", "/"], "/: cannot be read", id="state"),
        pytest.param(["http://h/", "--rate", "0"], "'0' is not a number above 0", id="rate"),
        pytest.param(["http://h/", "--user", "7"], "--user needs --app or --url", id="user"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(command, arguments, reason):
    """Nothing is asked for then."""
    said = command("warm", *arguments)
    assert said.code == Exit.USAGE
    assert reason in said.err
    assert said.err.count("\n") == 1


def test_a_line_that_was_cut_short_says_nothing(tmp_path):
    """Its URL is done once more, and what is noted after it is read again."""
    path = tmp_path / "state"
    journal = Journal(path, "mine")
    for url in ("http://h/1", "http://h/2"):
        journal.note(url)
    journal.close(complete=False)
    path.write_text(path.read_text()[:-4])
    journal = Journal(path, "mine")
    assert journal.done == {"http://h/1"}
    journal.note("http://h/3")
    journal.close(complete=False)
    assert Journal(path, "mine").done == {"http://h/1", "http://h/3"}


@pytest.mark.parametrize("anew", [False, True])
def test_another_file_is_not_taken_for_a_state(tmp_path, anew):
    """A slip must not cost anybody a file."""
    path = written(tmp_path / "letter", ["Dear Sir"])
    with pytest.raises(Failure, match="is no state of asgi-cache warm"):
        Journal(path, "mine", anew=anew)
    assert path.read_text() == "Dear Sir\n"

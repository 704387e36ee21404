"""What each command says of a shop that is open, and of what cannot be used."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from asgi_cache.cli.failing import Exit
from asgi_cache.cli.parser import SHELLS, make_parser
from asgi_cache.cli.screen import harmless, seconds, size
from tests.cli.conftest import ROOT
from tests.cli.shop import TOKEN
from tests.redis_server import free_port

SECRET = "open-sesame-open-sesame"


def commands():
    """The parser of each command, by its name."""
    (chosen,) = (a for a in make_parser()._actions if a.dest == "command")
    return chosen.choices


def test_check_says_what_each_rule_says(command, shop):
    """Rules stand in the order in which they are tried."""
    said = command("check", shop.config)
    assert said.code == Exit.DONE
    lines = [line.split("  ") for line in said.out.splitlines()[2:]]
    assert [line[0] for line in lines] == [
        *("/products/{number:int}", "/endless", "/cart", "/watched/**", "/counts")
    ]
    assert "1 h, unless the app says" in said.out
    assert "everybody  tags products" in said.out
    assert lines[4][-1].strip() == "never"


def test_check_in_json(command, shop):
    """A rule is what it states."""
    plain = json.loads(command("check", shop.config, "--json").out)
    assert plain["namespace"] == "shop"
    assert plain["rules"][0] == {
        "pattern": "/products/{number:int}",
        "never": False,
        "stated": {"ttl": 3600.0, "public": True, "tags": ["products"]},
    }
    assert plain["rules"][4] == {"pattern": "/counts", "never": True, "stated": {}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param('[rules]\n"/x" = {tll = 1}', "unknown field 'tll' (did you mean", id="field"),
        pytest.param('stoer = "memory://"', "unknown setting 'stoer' (did", id="setting"),
        pytest.param('store = "memry://"', "unknown scheme 'memry' (did", id="store"),
        pytest.param("rules", "is not TOML", id="no-toml"),
        pytest.param('[rules]\n"/**" = 1\n"/x" = 2', "is never reached", id="unreachable"),
    ],
)
def test_check_says_no_in_one_line(command, tmp_path, content, said):
    """The line names the file, what is wrong in it and what would do."""
    file = tmp_path / "asgi-cache.toml"
    file.write_text(content)
    answer = command("check", file)
    assert (answer.code, answer.out) == (Exit.NO, "")
    assert said in answer.err
    assert answer.err.startswith("asgi-cache: ")
    assert answer.err.count("\n") == 1


STATED = """
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route
from asgi_cache import Cache, CacheMiddleware, cached

@cached(ttl="1m")
async def stated(request):
    return Response("x")

cache = Cache(store="redis://127.0.0.1:1")
route = [Route("/stated/{number}", stated)]
app, bare = (
    Starlette(routes=routes, middleware=[Middleware(CacheMiddleware, cache=each)])
    for routes, each in ((route, cache), ([], Cache()))
)
"""


def test_check_lists_what_handlers_state(command, shop, tmp_path, monkeypatch):
    """For that no store has to answer."""
    (tmp_path / "stated.py").write_text(STATED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "stated", raising=False)
    said = command("check", shop.config, "--app", "stated:app")
    assert (said.code, said.err) == (Exit.DONE, "")
    assert said.out.endswith("1 rule is stated by handlers: GET /stated/{number}.\n")
    plain = json.loads(command("check", shop.config, "--app", "stated:app", "--json").out)
    (rule,) = plain["handlers"]
    assert (rule["pattern"], rule["stated"]["ttl"]) == ("GET /stated/{number}", 60.0)
    said = command("check", shop.config, "--app", "stated:bare")
    assert said.out.endswith("No handler of the app states a rule.\n")


def test_how_an_answer_looks_is_said_before_the_command_or_after_it(command, shop):
    """The help of all commands names it, too."""
    plain = command("check", shop.config, "--json")
    assert command("--json", "check", shop.config) == plain
    assert "Traceback" in command("--debug", "purge").err
    assert "--json" in make_parser().format_help()


def test_check_reads_a_table_of_pyproject(command, tmp_path):
    """A project may have it in the file that it has anyway."""
    file = tmp_path / "pyproject.toml"
    file.write_text('[tool.asgi-cache.rules]\n"/x" = "1m"\n')
    assert "1 min, unless the app says" in command("check", file).out
    file.write_text("[tool.other]\n")
    assert command("check", file).code == Exit.NO


def test_explain_says_what_would_become_of_a_request(command, shop, fill):
    """It asks the store that the app uses; the app is not asked."""
    url = f"{shop.url}/products/60"
    before = command("explain", url, "--config", shop.config)
    assert (before.code, before.err) == (Exit.DONE, "")
    assert "in the store  nothing" in before.out
    fill("/products/60")
    plain = json.loads(command("explain", "/products/60", "--config", shop.config, "--json").out)
    assert plain["found"].startswith("a fresh response with status 200")
    assert plain["stored"] is True
    assert plain["text"].startswith(f"request       GET {url}")
    assert shop.counts()["asked"]["/products/60"] == 1


def test_explain_takes_what_a_client_and_the_app_would_send(command, shop):
    """Credentials are no part of what is shown."""
    said = command(
        *("explain", "/cart", "--config", shop.config, "-H", f"Authorization: Bearer {SECRET}"),
        *("--answered", "Cache-Control: private", "--status", "200"),
    )
    assert "whoever shows the same credentials" in said.out
    assert "would not be stored: private" in said.out
    assert SECRET not in said.out


def test_explain_knows_what_handlers_state_if_it_is_given_the_app(command, shop, monkeypatch):
    """The name is that which a server would be given."""
    monkeypatch.setenv("SHOP_CONFIG", str(shop.config))
    monkeypatch.delitem(sys.modules, "tests.cli.shop", raising=False)
    said = command("explain", "/products/61", "--app", "tests.cli.shop:app")
    assert (said.code, said.err) == (Exit.DONE, "")
    assert "before the app has started" not in said.out
    assert "/products/{number:int}" in said.out


def test_explain_says_what_it_cannot_know_of_a_memory_store(command, tmp_path):
    """The rest it says all the same: that is what one asks before the app is deployed."""
    file = tmp_path / "asgi-cache.toml"
    file.write_text('[rules]\n"/x" = {ttl = "1m", public = true}\n')
    said = command("explain", "/x", "--config", file)
    assert said.code == Exit.DONE
    assert "nobody knows here: a memory store lives in the app's process" in said.out
    assert "would be stored: fresh for 60 s" in said.out
    plain = json.loads(command("explain", "/x", "--config", file, "--json").out)
    assert plain["found"] in plain["text"]


@pytest.mark.parametrize(
    ("number", "named"),
    [
        pytest.param(70, ["--tag", "product:70"], id="tag"),
        pytest.param(71, ["/products/71"], id="url"),
        pytest.param(72, ["--path", "/products/72"], id="path"),
        pytest.param(73, ["--route", "/products/{number:int}"], id="route"),
        pytest.param(74, ["--everything", "--yes"], id="everything"),
        pytest.param(75, ["--tag", "products", "--path", "/products/75", "--all-of"], id="all-of"),
    ],
)
def test_purge_voids_what_is_named(command, shop, number, named):
    """When it says so no process serves it any more; no app has to be asked for that."""
    path = f"/products/{number}"
    kept = f"/products/{number}00"
    for each in (path, kept):
        shop.get(each)
        assert "; hit" in shop.get(each).headers["cache-status"]
    said = command("purge", *named, "--wait", "--config", shop.config)
    assert (said.code, said.err) == (Exit.DONE, "")
    assert said.out == "Purged: what this names is void in every process.\n"
    assert "fwd=" in shop.get(path).headers["cache-status"]
    hits = not {"--route", "--everything"} & set(named)
    assert ("; hit" in shop.get(kept).headers["cache-status"]) == hits


def test_purge_of_everything_asks_first(command, shop):
    """Where nobody can be asked it has to be said twice."""
    said = command("purge", "--everything", "--config", shop.config)
    assert (said.code, said.out) == (Exit.USAGE, "")
    assert "needs --yes" in said.err


def test_bench_compares_both_ways(command, shop):
    """Each of its requests is counted under what Cache-Status says of it."""
    shop.get("/products/80")
    said = command("bench", f"{shop.url}/products/80", "-n", "20", "-c", "2", "--json")
    plain = json.loads(said.out)
    assert (said.code, said.err) == (Exit.DONE, "")
    cached, bypassed = plain["with"], plain["without"]
    assert (cached["results"], cached["hit_ratio"]) == ({"hit": 20}, 1.0)
    assert cached["answered"] == sum(bypassed["results"].values()) == 20
    assert (bypassed["hit_ratio"], bypassed["statuses"]) == (0.0, {"200": 20})
    assert 0 < cached["p50_ms"] <= cached["p99_ms"]
    shown = command("bench", f"{shop.url}/counts", "-n", "2").out
    assert "no cache was at work here" in shown
    assert shown.splitlines()[0].split() == [
        *("requests/s", "p50", "p99", "hit", "ratio", "results")
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        pytest.param(["bogus"], 2, "invalid choice: 'bogus'", id="no-command"),
        pytest.param(["purge"], 2, "purge what?", id="purge-what"),
        pytest.param(["purge", "--tag", "a"], 2, "a memory store lives in the", id="memory"),
        pytest.param(["explain", "/x", "-H", "x"], 2, "'x' is not a field", id="field"),
        pytest.param(["check", "nowhere.toml"], 2, "there is no such file", id="no-file"),
        pytest.param(["check", "."], 2, ".: is a directory", id="directory"),
        pytest.param(["stats"], 2, "--url https://host/cache-admin", id="stats-of-what"),
        pytest.param(
            ["stats", "--url", "http://127.0.0.1:1/a"], 3, "is the app running?", id="url"
        ),
        *(
            pytest.param(
                ["stats", "--url", url], 2, f"--url '{url}' is no URL with http:// or", id=url
            )
            for url in ("localhost:8100/cache-admin", "ftp://x", "http:///x", "http://[::1")
        ),
        pytest.param(
            ["bench", "/products/1"], 2, "'/products/1' is no URL with http", id="bench-path"
        ),
        pytest.param(
            ["explain", "/x", "--url", "http://h", "--app", "a:b"], 2, "exclude", id="two-places"
        ),
        pytest.param(["explain", "/x", "--app", "nowhere"], 2, "main:app", id="no-attribute"),
        pytest.param(["explain", "/x", "--app", "nowhere:a"], 2, "No module", id="no-module"),
        pytest.param(["explain", "/x", "--app", "json:no"], 2, "json has no no", id="not-there"),
        pytest.param(["explain", "/x", "--app", "json:loads"], 2, "no CacheMidd", id="no-cache"),
        pytest.param(["stats", "--url", "http://xn--/"], 2, "--url http://xn--/", id="no-host"),
        pytest.param(["bench", "http://xn--/"], 2, "http://xn--/: ", id="bench-no-host"),
        pytest.param(["bench", "http://127.0.0.1:1/"], 3, "nothing answers", id="bench-nobody"),
    ],
)
def test_what_cannot_be_done_is_one_line(command, arguments, code, reason):
    """It names what is wrong; as JSON it is an object on standard error, too."""
    said = command(*arguments)
    assert (said.code, said.out) == (code, "")
    assert reason in said.err
    assert said.err.count("\n") == 1
    as_json = command(*arguments, "--json")
    assert (as_json.code, as_json.out) == (code, "")
    error = json.loads(as_json.err)["error"]
    assert (error["exit"], reason in error["message"]) == (code, True)


@pytest.mark.parametrize("end", ["", ":99999", "/#"])
@pytest.mark.parametrize("scheme", ["http", "ftp"])
def test_bench_names_no_url_with_what_is_secret_in_it(command, scheme, end):
    """An error may end up in somebody's log, even of a URL that cannot be used."""
    said = command("bench", f"{scheme}://me:{SECRET}{end}@127.0.0.1:1/x?token={SECRET}")
    assert said.code in {Exit.USAGE, Exit.UNREACHABLE}
    assert f"{scheme}://***@127.0.0.1:1/x" in said.err
    assert SECRET not in said.err


def test_a_store_that_does_not_answer_is_named_without_its_password(command, monkeypatch):
    """It is not that the rules are wrong."""
    port = free_port()
    monkeypatch.setenv("ASGI_CACHE_STORE", f"redis://user:{SECRET}@127.0.0.1:{port}/0")
    said = command("purge", "--tag", "a")
    assert said.code == Exit.UNREACHABLE
    assert said.err.startswith(f"asgi-cache: the store redis://***@127.0.0.1:{port}/0 does not")
    assert SECRET not in said.err


def test_debug_shows_where_an_error_came_from(command):
    """Without it nobody sees a traceback."""
    assert "Traceback" in command("purge", "--debug").err
    assert "Traceback" not in command("purge").err


def test_colours_are_for_terminals_and_for_who_wants_them(command, shop, monkeypatch):
    """A pipe has none; NO_COLOR and --no-color mean the same in a terminal."""
    assert "\x1b" not in command("check", shop.config).out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in command("check", shop.config).out
    assert "\x1b" not in command("check", shop.config, "--no-color").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in command("check", shop.config).out


def test_lines_in_a_pipe_are_whole_and_end_where_they_end(command, tmp_path):
    """Whoever cuts them into fields gets all of them."""
    file = tmp_path / "asgi-cache.toml"
    tags = [f"a-long-tag-{number}" for number in range(40)]
    file.write_text(f'[rules]\n"/x" = {{ ttl = "1m", tags = {tags} }}\n"/y" = "never"\n')
    lines = command("check", file).out.splitlines()
    assert lines[2].endswith(", ".join(tags))
    assert all(line == line.rstrip() for line in lines)


def test_what_an_encoding_lacks_is_escaped(shop):
    """A dash or a tag that it cannot write does not keep anybody from the rest."""
    said = subprocess.run(
        [sys.executable, "-m", "asgi_cache", "stats"],
        cwd=ROOT,
        env=os.environ
        | {
            "PYTHONIOENCODING": "latin-1",
            "ASGI_CACHE_ADMIN_URL": f"{shop.url}/cache-admin",
            "ASGI_CACHE_ADMIN_TOKEN": TOKEN,
        },
        capture_output=True,
        check=False,
    )
    assert (said.returncode, said.stderr) == (Exit.DONE, b"")
    assert rb"\u2013" in said.stdout


def test_who_reads_may_have_had_enough():
    """As head has after some lines; nobody is told of an error then."""
    arguments = [sys.executable, "-m", "asgi_cache", "completion", "bash"]
    with subprocess.Popen(
        arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == Exit.NO


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_names_every_command(command, shell):
    """A shell gets a script, of which nothing has to be started for a Tab."""
    said = command("completion", shell)
    assert (said.code, said.err) == (Exit.DONE, "")
    assert all(name in said.out for name in commands())


def test_bash_completes_commands_and_options(command, tmp_path):
    """The script does in a shell what it is for."""
    script = tmp_path / "asgi-cache"
    script.write_text(command("completion", "bash").out)
    asked = f"""
    source {script}
    complete() {{ COMP_WORDS=(asgi-cache "$@"); COMP_CWORD=$#; COMPREPLY=(); _shtab_asgi_cache; }}
    complete pu; echo "${{COMPREPLY[@]}}"
    complete purge --dry; echo "${{COMPREPLY[@]}}"
    """
    said = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["purge", "--dry-run"]


def test_without_the_extra_a_line_says_what_to_install():
    """The package itself needs none of it."""
    program = (
        "import sys; sys.modules['rich'] = None; from asgi_cache.cli.main import main; "
        "sys.exit(main(['stats']))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout) == (Exit.USAGE, "")
    assert said.stderr == "asgi-cache needs rich: pip install 'asgi-cache[cli]'\n"


def test_what_a_terminal_would_obey_is_not_printed():
    """A URL, a tag or a field may hold anything."""
    assert harmless("a\x1b[31m\r\n\u202eb\x9b") == "a\\x1b[31m\\r\\n\\u202eb\\x9b"
    assert harmless("/café?q=…") == "/café?q=…"


@pytest.mark.parametrize(
    ("value", "written"), [(0.00123, "1.23 ms"), (59.0, "59 s"), (3600, "1 h"), (None, "–")]
)
def test_durations_are_short(value, written):
    """Three digits tell enough."""
    assert seconds(value) == written


@pytest.mark.parametrize(("value", "written"), [(0, "0 B"), (2048, "2.0 kB"), (3 << 20, "3.0 MB")])
def test_sizes_are_short(value, written):
    """A digit after the point tells enough."""
    assert size(value) == written

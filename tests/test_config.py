"""Settings from arguments, TOML files and the environment."""

from __future__ import annotations

from dataclasses import fields

import pytest

from asgi_cache.cache import Options
from asgi_cache.config import (
    Settings,
    base_rule,
    compile_rules,
    load_settings,
    settings_from_environment,
    settings_from_mapping,
)
from asgi_cache.errors import ConfigurationError
from asgi_cache.policy.rule import Rule


def read(mapping):
    """Read settings as keyword arguments would state them."""
    return settings_from_mapping(mapping, source="Cache()")


def refusal(act, *args, **options):
    """Return the message with which *act* refuses its arguments."""
    with pytest.raises(ConfigurationError) as caught:
        act(*args, **options)
    return str(caught.value)


@pytest.fixture
def toml(tmp_path):
    """Write a TOML file and return its path."""

    def write(text, name="asgi-cache.toml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("store", "redis://localhost", "redis://localhost"),
        ("namespace", "shop:eu", "shop:eu"),
        ("version", "2", "2"),
        ("rules", {"/tasks": "2m"}, {"/tasks": "2m"}),
        ("durations", {"catalogue": "6h"}, {"catalogue": "6h"}),
        ("cookies", "rfc9111", "rfc9111"),
        ("errors", "rfc9111", "rfc9111"),
        ("heuristic", 0.1, 0.1),
        ("max_body", "1mb", 1048576),
        ("max_header", "1kb", 1024),
        ("max_flights", 0, 0),
        ("credentials", ["Authorization", "cookie:SID"], ("authorization", "cookie:SID")),
        ("hosts", ["Example.org", "[::1]:8000"], ("example.org", "[::1]:8000")),
        ("hosts", None, None),
        ("targeted_fields", ["Shop-Cache-Control"], ("shop-cache-control",)),
        ("targeted_fields", [], ()),
        ("cache_status", False, False),
        ("cache_status_name", "my cache", "my cache"),
        ("secret", "s3cret", "s3cret"),
        ("until_token_expires", True, True),
        ("signing_keys", ["k" * 32], ("k" * 32,)),
        ("encryption_keys", ["k" * 32, "j" * 40], ("k" * 32, "j" * 40)),
    ],
)
def test_each_setting_is_read(name, value, expected):
    """A setting means the same wherever it is stated."""
    assert getattr(read({name: value}), name) == expected


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_no_setting_takes_just_anything(name):
    """Every field of `Settings` can be written, and is checked."""
    assert refusal(read, {name: object()}).startswith(f"Cache(): {name}")


@pytest.mark.parametrize(
    ("mapping", "why"),
    [
        pytest.param({"rule": {}}, "unknown setting 'rule' (did you mean 'rules'?)", id="unknown"),
        pytest.param({"store": ""}, "store is empty: write a URL", id="store"),
        pytest.param({"namespace": ""}, "namespace='' is not a namespace", id="empty-namespace"),
        pytest.param({"namespace": "a b"}, "is not a namespace", id="space"),
        pytest.param({"namespace": "a\x00b"}, "is not a namespace", id="control"),
        pytest.param({"namespace": "{a}"}, "is not a namespace", id="braces"),
        pytest.param({"version": 2}, "version=2 is not a string", id="number"),
        pytest.param({"rules": ["/a"]}, "rules=['/a'] is not a table", id="rules"),
        pytest.param({"rules": {"/a": "x"}}, "rule '/a': ttl='x' is not a duration", id="rule"),
        pytest.param({"durations": {"a": "x"}}, "says 'a' is 'x', which is not a", id="class"),
        pytest.param({"credentials": []}, "credentials=[] names nothing", id="no-credential"),
        pytest.param({"credentials": ["a b"]}, "not the name of a header field", id="field-name"),
        pytest.param({"credentials": ["cokie:a"]}, "and not 'cookie:NAME'", id="credential-kind"),
        pytest.param({"credentials": ["cookie:"]}, "not the name", id="nameless-cookie"),
        pytest.param({"credentials": "cookie"}, "credentials='cookie' is not a list", id="string"),
        pytest.param({"hosts": []}, "hosts=[] names no host", id="no-host"),
        pytest.param({"hosts": ["http://a"]}, "holds 'http://a', which is not a host", id="url"),
        pytest.param({"hosts": ["a:65536"]}, "is not a host", id="port"),
        pytest.param({"hosts": ["*.a"]}, "is not a host", id="wildcard"),
        pytest.param({"hosts": ["[a]"]}, "is not a host", id="address"),
        pytest.param({"hosts": ["a\n"]}, "is not a host", id="line-break"),
        pytest.param({"targeted_fields": ["a:b"]}, "not the name of a header", id="targeted"),
        pytest.param({"max_flights": -1}, "is not a whole number from 0 up", id="negative-count"),
        pytest.param({"max_flights": "many"}, "is not a whole number", id="no-count"),
        pytest.param({"cache_status_name": ""}, "is not a name", id="empty-name"),
        pytest.param({"cache_status_name": "é"}, "is not a name", id="not-ascii"),
        pytest.param({"heuristic": True}, "is not a number from 0 to 1", id="heuristic"),
    ],
)
def test_an_unfit_setting_is_refused(mapping, why):
    """An error names the source, the setting, its value and what is wrong with it."""
    message = refusal(read, mapping)
    assert message.startswith("Cache(): ")
    assert why in message


@pytest.mark.parametrize("name", ["store", "secret"])
def test_what_may_hold_a_password_is_not_shown(name):
    """Neither an error nor the settings' own form repeats a store's URL or the secret."""
    assert "hunter2" not in refusal(read, {name: ["hunter2"]})
    assert "hunter2" not in repr(read({name: "hunter2"}))


@pytest.mark.parametrize("name", ["signing_keys", "encryption_keys"])
@pytest.mark.parametrize("value", ["hunter2", ["hunter2"], ["hunter2" * 5, 7], 7])
def test_keys_are_not_shown(name, value):
    """Nor are keys, of which there are some, each too long to be guessed."""
    message = refusal(read, {name: value})
    assert name in message
    assert "hunter2" not in message
    assert "hunter2" not in repr(read({name: ["hunter2" * 5]}))


def test_settings_are_read_over_others():
    """What is not stated is as in the settings that were there before."""
    base = Settings(namespace="shop", version="1")
    settings = settings_from_mapping({"version": "2"}, source="Cache()", base=base)
    assert settings == Settings(namespace="shop", version="2")


def test_rules_are_compiled_from_settings():
    """Rules inherit what is set for the whole cache, and know its volatility classes."""
    settings = read(
        {
            "rules": {"/a": "catalogue", "/b": {"heuristic": 0}},
            "durations": {"catalogue": "6h"},
            "heuristic": 0.1,
            "max_body": 10,
            "cookies": "rfc9111",
        }
    )
    shared = {"max_body": 10, "cookies": "rfc9111"}
    rules = compile_rules(settings)
    assert rules.match("GET", "/a").rule == Rule(ttl=21600.0, heuristic=0.1, **shared)
    assert rules.match("GET", "/b").rule == Rule(**shared)
    assert base_rule(settings) == Rule(heuristic=0.1, **shared)


def test_a_toml_file_is_read(toml):
    """The whole file is the table of settings, and its rules keep their order."""
    path = toml(
        """
        store = "memory://"
        hosts = ["example.org"]

        [durations]
        catalogue = "6h"

        [rules]
        "/tasks/new" = "never"
        "/tasks/{task_id}" = {ttl = "catalogue", status_ttl = {404 = "10s"}}
        "/tasks/**" = 60
        """
    )
    settings = load_settings(path)
    rules = compile_rules(settings)
    assert settings.hosts == ("example.org",)
    assert rules.match("GET", "/tasks/new").rule is None
    assert rules.match("GET", "/tasks/7").rule == Rule(ttl=21600.0, status_ttl={404: 10.0})
    assert rules.match("GET", "/tasks/7/x").rule == Rule(ttl=60.0)


def test_a_pyproject_has_its_own_table(toml):
    """In a project's file only the tool's table counts."""
    path = toml('[project]\nname = "x"\n[tool.asgi-cache]\nversion = "2"\n', "pyproject.toml")
    assert load_settings(str(path)) == Settings(version="2")


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        pytest.param("a = ", "a.toml", ": is not TOML: Invalid value (at ", id="malformed"),
        pytest.param(b"\xff", "a.toml", ": is not TOML: 'utf-8' codec", id="not-utf-8"),
        pytest.param(
            'verison = "1"',
            "a.toml",
            ": unknown setting 'verison' (did you mean 'version'?)",
            id="unknown-setting",
        ),
        pytest.param(
            '[rules]\n"/a" = {tll = 1}',
            "a.toml",
            ": rule '/a': unknown field 'tll' (did you mean 'ttl'?)",
            id="unknown-field",
        ),
        pytest.param(
            "[tool.other]",
            "pyproject.toml",
            " [tool.asgi-cache]: there is no such table",
            id="no-table",
        ),
        pytest.param(
            "tool = 3",
            "pyproject.toml",
            " [tool.asgi-cache]: there is no such table",
            id="tool-is-no-table",
        ),
        pytest.param(
            "[tool.asgi-cache]\nversion = 3",
            "pyproject.toml",
            " [tool.asgi-cache]: version=3 is not a string",
            id="in-the-table",
        ),
    ],
)
def test_a_wrong_file_is_refused(toml, text, name, message):
    """An error names the file, and the table or the place in it."""
    path = toml(text, name)
    assert refusal(load_settings, path).startswith(f"{path}{message}")


def test_a_missing_file_is_refused(tmp_path):
    """An error names the file that is not there, or is no file."""
    missing = tmp_path / "no.toml"
    assert refusal(load_settings, missing).startswith(f"{missing}: cannot be read: No such")
    assert refusal(load_settings, tmp_path).startswith(f"{tmp_path}: cannot be read: ")


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("STORE", "redis://localhost", Settings(store="redis://localhost")),
        ("NAMESPACE", "shop", Settings(namespace="shop")),
        ("VERSION", "2", Settings(version="2")),
        ("VERSION", "", Settings(version="")),
        ("COOKIES", "rfc9111", Settings(cookies="rfc9111")),
        ("HEURISTIC", "0.1", Settings(heuristic=0.1)),
        ("MAX_BODY", "1mb", Settings(max_body=1048576)),
        ("MAX_FLIGHTS", "20", Settings(max_flights=20)),
        (
            "CREDENTIALS",
            "authorization, cookie:SID",
            Settings(credentials=("authorization", "cookie:SID")),
        ),
        ("HOSTS", "a.org,b.org:80,", Settings(hosts=("a.org", "b.org:80"))),
        ("TARGETED_FIELDS", "", Settings(targeted_fields=())),
        ("CACHE_STATUS", "False", Settings(cache_status=False)),
        ("CACHE_STATUS", "1", Settings(cache_status=True)),
        ("CACHE_STATUS_NAME", "edge", Settings(cache_status_name="edge")),
        ("SECRET", "s3cret", Settings(secret="s3cret")),
    ],
)
def test_each_variable_is_read(variable, text, expected):
    """A variable states the setting of its name; the others are as they were."""
    environ = {f"ASGI_CACHE_{variable}": text, "PATH": "/bin"}
    assert settings_from_environment(environ, Settings()) == expected


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        pytest.param(
            "ASGI_CACHE_STROE",
            "x",
            "unknown variable ASGI_CACHE_STROE (did you mean 'ASGI_CACHE_STORE'?)",
            id="misspelt",
        ),
        pytest.param(
            "ASGI_CACHE_store",
            "x",
            "unknown variable ASGI_CACHE_store (did you mean 'ASGI_CACHE_STORE'?)",
            id="lower-case",
        ),
        pytest.param(
            "ASGI_CACHE_RULES",
            "{}",
            "unknown variable ASGI_CACHE_RULES (known: ASGI_CACHE_STORE, ",
            id="table",
        ),
        pytest.param(
            "ASGI_CACHE_HEURISTIC",
            "much",
            "environment variable ASGI_CACHE_HEURISTIC: heuristic='much' is not a number",
            id="number",
        ),
        pytest.param(
            "ASGI_CACHE_CACHE_STATUS",
            "yes",
            "environment variable ASGI_CACHE_CACHE_STATUS: cache_status='yes' is not a boolean",
            id="boolean",
        ),
        pytest.param(
            "ASGI_CACHE_CREDENTIALS",
            "",
            "environment variable ASGI_CACHE_CREDENTIALS: credentials=[] names nothing",
            id="empty-list",
        ),
        pytest.param("ASGI_CACHE_CONFIG", "/no.toml", "/no.toml: cannot be read", id="config"),
    ],
)
def test_a_wrong_variable_is_refused(variable, text, message):
    """An error names the variable, and the nearest one that there is."""
    assert refusal(settings_from_environment, {variable: text}, Settings()).startswith(message)


def test_variables_win_over_the_file_and_the_file_over_arguments(toml):
    """The environment is nearest to the deployment, so it has the last word."""
    path = toml('version = "file"\nnamespace = "file"\n')
    environ = {"ASGI_CACHE_CONFIG": str(path), "ASGI_CACHE_VERSION": "environment"}
    base = Settings(version="base", namespace="base", cache_status_name="base")
    assert settings_from_environment(environ, base) == Settings(
        version="environment", namespace="file", cache_status_name="base"
    )


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        pytest.param(Settings(credentials=()), "credentials", id="nothing-is-a-credential"),
        pytest.param(Settings(namespace=""), "namespace", id="no-namespace"),
        pytest.param(Settings(rules={"/": {"tll": 1}}), "tll", id="a-wrong-rule"),
    ],
)
def test_settings_made_by_a_program_are_checked_too(settings, named):
    """What nobody has read yet is read when a cache is made of it."""
    with pytest.raises(ConfigurationError, match=named):
        settings_from_mapping({}, source="Cache", base=settings)


def test_settings_made_by_a_program_are_read_as_any_other():
    """Names of fields count in any case."""
    base = Settings(credentials=("Authorization",))
    assert settings_from_mapping({}, source="Cache", base=base).credentials == ("authorization",)


def test_type_checkers_know_every_setting():
    """The keyword arguments of `Cache` are the settings, and nothing else."""
    known = Options.__annotations__.keys() | {"store"}
    assert known == {field.name for field in fields(Settings)}

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from asgi_cache import Cache, CacheMiddleware
from asgi_cache.admin.app import DASHBOARD
from tests.admin.browsing import DESK, NARROW, PATIENCE, PHONE, headless, opened_tab, served
from tests.observe.load import after_the_load

pytestmark = pytest.mark.slow  # a browser has to be there

TOKEN = "a-token-of-some-length"

VIEWS = ("Overview", "Routes", "Entries", "Purge", "Explain", "Rules")

HOSTILE = "<svg/onload=document.title='run'>"
"""What would say so in the page's title, were it ever read as markup."""


async def read_task(request: Request) -> Response:
    task = request.path_params["task_id"]
    tags = {"Cache-Tag": f"task:{task}"}
    return JSONResponse({"task": task}, headers={**tags, "X-Note": HOSTILE})


async def read_page(request: Request) -> Response:
    return Response(f"<script>{HOSTILE}</script>", media_type="text/html")


@pytest.fixture(scope="module")
def cache():
    return Cache(
        store="memory://",
        rules={
            "/tasks/{task_id}": {"ttl": "5m", "tags": ["tasks"]},
            "/pages/{name:path}": {"ttl": "1m", "status_ttl": {"404": 10}, "max_body": "64kb"},
        },
    )


@pytest.fixture(scope="module")
def site(cache):
    routes = [
        Route("/tasks/{task_id}", read_task),
        Route("/pages/{name:path}", read_page),
        Mount("/ops/cache", cache.admin(token=TOKEN)),
        Mount("/guarded", cache.admin(guard=lambda request: "alice")),
    ]
    with served(CacheMiddleware(Starlette(routes=routes), cache=cache)) as served_site:
        yield served_site


@pytest.fixture(scope="module")
def browser():
    with headless() as started:
        yield started


@pytest.fixture(scope="module")
def desk(browser, site):
    with opened_tab(browser) as opened:
        opened.log_in(f"{site.url}/ops/cache/", TOKEN)
        yield opened


@pytest.fixture
def tab(desk):
    desk.page.reload()
    yield desk
    desk.be_content()


def test_the_page_shows_nothing_until_it_has_the_token(browser, site):
    """A wrong token is refused in words, the right one outlasts a reload, and can be forgotten."""
    with opened_tab(browser) as tab:
        tab.page.goto(f"{site.url}/ops/cache/")
        field = tab.page.get_by_label("Token")
        field.fill("not-the-token-at-all")
        tab.page.keyboard.press("Enter")
        expect(tab.page.get_by_role("alert")).to_have_text("This token is not accepted.")
        expect(tab.page.get_by_role("tablist")).to_be_hidden()
        assert tab.barriers() == []
        field.fill(TOKEN)
        tab.page.keyboard.press("Enter")
        expect(tab.page.get_by_role("tabpanel", name="Overview")).to_be_visible()
        expect(tab.page.get_by_role("tab", name="Overview")).to_be_focused()
        tab.page.reload()
        expect(tab.page.get_by_role("tabpanel", name="Overview")).to_be_visible()
        tab.page.get_by_role("button", name="Log out").click()
        expect(field).to_be_focused()
        assert tab.page.evaluate("[sessionStorage.length, localStorage.length]") == [0, 0]
        (refused,) = tab.complaints  # the wrong token, by the browser itself
        assert "401" in refused
        tab.complaints.clear()


def test_a_guard_lets_the_page_in_without_a_token(browser, site):
    """Where the app itself tells who may, nothing is asked for, and nothing can be logged out."""
    with opened_tab(browser) as tab:
        tab.page.goto(f"{site.url}/guarded/")
        expect(tab.page.get_by_role("tabpanel", name="Overview")).to_be_visible()
        expect(tab.page.get_by_role("button", name="Log out")).to_be_hidden()


def test_the_overview_follows_what_happens(tab, site):
    """Requests show within seconds: as a rate, as a ratio, and as areas in the chart."""
    for _ in range(4):
        site.ask("/tasks/1")
    overview = tab.view("Overview")
    expect(overview.locator(".tile", has_text="Requests").locator(".value")).to_have_text(
        re.compile(r"^[1-9.]+\S*/s$")
    )
    expect(overview.locator("svg path.of-hit")).to_have_attribute("d", re.compile("^M.+Z$"))
    chart = overview.get_by_role("img", name="Requests a second, by result")
    expect(chart).to_have_accessible_description(re.compile("requests a second, .* now"))
    expect(tab.page.locator("#link")).to_have_text("live")


def test_a_lost_link_is_shown_and_made_anew(browser, cache):
    """While the server cannot be reached the page says so, and goes on by itself afterwards."""
    app = cache.admin(token=TOKEN)
    with opened_tab(browser) as tab:
        link = tab.page.locator("#link")
        with served(app) as first:
            tab.log_in(f"{first.url}/", TOKEN)
            expect(link).to_have_text("live")
        expect(link).to_have_attribute("data-state", "lost")
        with served(app, first.port):
            expect(link).to_have_text("live", timeout=PATIENCE)
            tab.page.get_by_role("button", name="Log out").click()
        tab.complaints[:] = [text for text in tab.complaints if "net::ERR_" not in text]


def test_everything_is_reached_by_keyboard(tab, site):
    """Arrows go from view to view; a line opens and closes, and has the focus again."""
    site.ask("/tasks/1")
    keys = tab.page.keyboard
    tab.page.get_by_role("tab", name="Overview").focus()
    keys.press("ArrowRight")
    expect(tab.page.get_by_role("tab", name="Routes")).to_be_focused()
    keys.press("End")
    expect(tab.page.get_by_role("tabpanel", name="Rules")).to_be_visible()
    keys.press("ArrowRight")
    expect(tab.page.get_by_role("tabpanel", name="Overview")).to_be_visible()
    routes = tab.view("Routes")
    line = routes.get_by_role("button", name="/tasks/{task_id}")
    line.focus()
    keys.press("Enter")
    expect(tab.page.get_by_role("dialog", name="/tasks/{task_id}")).to_be_visible()
    keys.press("Escape")
    expect(tab.page.get_by_role("dialog")).to_have_count(0)
    expect(line).to_be_focused()


def test_routes_are_sorted_by_each_column(tab, site):
    """The first press of a column's head puts the largest first, a second one turns it round."""
    for path in ("/tasks/1", "/tasks/2", "/tasks/3", "/pages/a"):
        site.ask(path)
    routes = tab.view("Routes")
    expect(routes.get_by_role("button", name="/pages/")).to_be_visible()
    for name in ("Route", "Served", "Hits"):
        head = routes.get_by_role("columnheader", name=name, exact=True)
        head.get_by_role("button").click()
        first, other = (
            ("ascending", "descending") if name == "Route" else ("descending", "ascending")
        )
        expect(head).to_have_attribute("aria-sort", first)
        before = routes.locator("tbody th").all_inner_texts()
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", other)
        assert routes.locator("tbody th").all_inner_texts() == before[::-1]


def test_what_is_shown_is_what_was_answered(browser):
    """Of 10,000 requests over 20 routes the page shows each, as its header said."""
    with ThreadPoolExecutor() as elsewhere:  # the browser's event loop is this thread's
        cache, asked, said = elsewhere.submit(after_the_load).result()
    expected = {
        (route, result, "not seen" if result == "passed" else str(status)): count
        for (route, result, status), count in said.items()
    }
    with served(cache.admin(token=TOKEN)) as here, opened_tab(browser) as tab:
        tab.log_in(f"{here.url}/", TOKEN)
        routes, shown = tab.view("Routes"), {}
        lines = [line.split("\t") for line in routes.locator("tbody tr").all_inner_texts()]
        assert {name: int(requests) for name, requests, *_ in lines} == dict(asked)
        for route in asked:
            routes.get_by_role("button", name=route, exact=True).click()
            counts = tab.page.get_by_role("region", name="Requests by result and status")
            counts.wait_for()
            (_, *statuses), *rows = [
                line.split("\t") for line in counts.locator("tr").all_inner_texts()
            ]
            for result, *numbers in rows:
                shown |= {
                    (route, result, status): int(number)
                    for status, number in zip(statuses, numbers, strict=True)
                    if number != "0"
                }
            tab.page.keyboard.press("Escape")
    assert shown == expected


@pytest.mark.parametrize(
    ("process", "uptime", "known"),
    [
        pytest.param("one", 11.0, 1, id="goes-on"),
        pytest.param("two", 11.0, 0, id="another-worker"),
        pytest.param("one", 1.0, 0, id="begun-anew"),
    ],
)
def test_counts_of_two_workers_are_not_taken_for_one(tab, process, uptime, known):
    """A stream that is followed by another worker's shows no requests that nobody sent."""
    route = {"route": "/a", "requests": {"hit": {"200": 5}}, "bytes_served": 5}
    first = {"at": 1.0, "uptime": 10.0, "process": "one", "bounds": [], "routes": [route]}
    second = {**first, "at": 2.0, "uptime": uptime, "process": process}
    script = """async (samples) => {
        const { History } = await import("./static/history.js");
        const history = new History();
        for (const stats of samples) history.take(stats);
        return history.points.length;
    }"""
    assert tab.page.evaluate(script, [first, second]) == known


def test_hostile_text_stays_text(tab, site):
    """URLs, tags, fields, bodies and users are shown letter by letter, and are inert."""
    path = f"/pages/{HOSTILE}"
    assert HOSTILE in site.ask(path)
    site.ask("/tasks/7")
    page = tab.page
    entries = tab.view("Entries")
    entries.get_by_role("button", name=path).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Show the body").click()
    expect(dialog.locator("pre")).to_have_text(f"<script>{HOSTILE}</script>")
    dialog.get_by_role("button", name="Purge …").click()
    purge = tab.view("Purge")
    purge.get_by_role("button", name="Add another").click()
    purge.get_by_label("What it names").last.select_option(label="User")
    purge.get_by_label("Its name").last.fill(HOSTILE)
    purge.get_by_role("button", name="Preview").click()
    expect(purge.locator(".sample")).to_contain_text(path)
    purge.get_by_role("button", name="Purge", exact=True).click()
    expect(purge.locator("tbody tr").first).to_contain_text(f"user {HOSTILE}")
    entries = tab.view("Entries")
    entries.get_by_label("URL or path begins with").fill("/tasks/7")
    entries.get_by_role("button", name="Look").click()
    entries.get_by_role("button", name="/tasks/7").click()
    expect(dialog.get_by_role("cell", name=HOSTILE)).to_be_visible()
    page.keyboard.press("Escape")
    explain = tab.view("Explain")
    explain.get_by_label("URL").fill(path)
    explain.get_by_role("button", name="Explain").click()
    expect(explain.locator(".facts")).to_contain_text(HOSTILE)
    assert page.title() == "Cache"  # and not "run"
    assert page.locator("[onload], script:not([type=module])").count() == 0


def test_a_purge_is_counted_before_it_is_made(tab, site):
    """The preview says how many it would void; what is named anew has to be counted anew."""
    for number in range(3):
        site.ask(f"/tasks/{number}")
    purge = tab.view("Purge")
    purge.get_by_label("Its name").fill("task:1")
    purge.get_by_role("button", name="Preview").click()
    expect(purge.locator(".preview")).to_contain_text("would void 1 stored response or value.")
    purge.get_by_label("Its name").fill("tasks")
    expect(purge.locator(".preview")).to_have_count(0)
    purge.get_by_role("button", name="Preview").click()
    expect(purge.locator(".sample")).to_contain_text("/tasks/2")
    purge.get_by_role("button", name="Purge", exact=True).click()
    expect(purge.locator(".notice.done")).to_have_text("Purged.")
    expect(purge.locator(".notice.done")).to_be_focused()
    purge.get_by_role("button", name="Preview").click()
    expect(purge.locator(".preview")).to_contain_text("would void 0 stored responses and values.")
    expect(purge.locator("tbody tr").first).to_contain_text("tags tasks")


@pytest.mark.parametrize(
    ("scheme", "size", "rules"),
    [
        pytest.param("light", DESK, (), id="light"),
        pytest.param("dark", PHONE, ("color-contrast",), id="dark-on-a-phone"),
    ],
)
def test_nobody_is_shut_out(tab, site, scheme, size, rules):
    """Labels, roles and contrast are as axe-core wants them, and phones are wide enough."""
    site.ask("/tasks/1")
    tab.page.emulate_media(color_scheme=scheme)
    tab.page.set_viewport_size(size)
    for name in VIEWS:
        tab.view(name)
        assert tab.barriers(*rules) == [], name
        width = tab.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, name
    tab.view("Entries").locator("tbody button").first.click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Show the body").wait_for()
    assert tab.barriers(*rules) == []
    tab.page.emulate_media(color_scheme="light")
    tab.page.set_viewport_size(DESK)


@pytest.mark.parametrize("size", [PHONE, NARROW], ids=["phone", "narrow-phone"])
def test_narrow_screens_cut_nothing_off(tab, site, size):
    """Each tab and the process are there as a whole; the table that goes on has a shadow."""
    site.ask("/tasks/1")
    tab.page.set_viewport_size(size)
    tab.view("Routes")
    cut = """elements => elements.filter((element) => {
        const { left, right } = element.getBoundingClientRect();
        return left < 0 || right > innerWidth || element.scrollWidth > element.clientWidth;
    }).map((element) => element.textContent)"""
    expect(tab.page.locator("#whence")).to_contain_text(":")
    assert tab.page.locator("[role=tab], #whence").evaluate_all(cut) == []
    wide = tab.page.get_by_role("region", name="Routes")
    assert wide.evaluate("element => element.scrollWidth > element.clientWidth")
    shadow = wide.evaluate("element => getComputedStyle(element).backgroundAttachment")
    assert shadow == "local, local, scroll, scroll, scroll"
    tab.page.set_viewport_size(DESK)


def sample(**changes):
    """Return statistics as the API has them, of a cache whose store is on a server."""
    server = {
        "breaker": "open",
        "failures": {"timeout": 2, "lost": 1, "circuit-open": 40},
        "seconds": {"counts": [], "sum": 0},
        "opened": 1,
        "operations": 9,
        "corrupt": 0,
        "forged": 0,
        "memory": None,
    }
    route = {"route": "/a", "requests": {"hit": {"200": 5}}, "bytes_served": 5}
    times = {"counts": [5], "sum": 0.001}
    return {
        "at": 1.0,
        "uptime": 10.0,
        "process": "one",
        "bounds": [0.001],
        "routes": [{**route, "cached": times, "app": times}],
        "store": {"kind": "tiered", "bytes": 0, "budget": 0, "server": server},
        "log": {"position": "30127227142546653184", "behind": 2.72, "bound": 0.1, "withheld": 0},
        "flights": {},
        "values": {},
        "public_conflicts": {},
        **changes,
    }


def test_the_overview_says_what_is_and_no_more(tab):
    """What did not happen is a dash, what was not tried has not failed, and no digit is lost."""
    script = """async (samples) => {
        const { History } = await import("./static/history.js");
        const { makeOverview } = await import("./static/overview.js");
        const history = new History();
        for (const stats of samples) history.take(stats);
        const view = makeOverview({ history, go: () => {} });
        view.update();
        const text = (each) => each.textContent;
        const all = document.createElement("div");
        all.append(...view.element.flat());
        return {
            tiles: Object.fromEntries([...all.querySelectorAll(".tile")].map((tile) =>
                [tile.querySelector("h2").textContent, [...tile.querySelectorAll("p")].map(text)])),
            figures: Object.fromEntries([...all.querySelectorAll(".figures > div")].map((row) =>
                [row.querySelector("dt").textContent, row.querySelector("dd").textContent])),
            hint: all.querySelector(".figures [data-name=behind]").parentElement.title,
        };
    }"""
    shown = tab.page.evaluate(script, [sample(), sample(at=2.0, uptime=11.0)])
    assert shown["tiles"]["Hits · 1 min"] == ["–", "100% since start"]
    assert shown["tiles"]["From store · 1 min"] == ["–", "p50 · p99 –"]
    assert shown["tiles"]["By the app · 1 min"] == ["–", "p50 · p99 –"]
    figures = shown["figures"]
    assert (figures["failed"], figures["not tried"]) == ("3", "40")
    assert figures["position"] == "30127227142546653184"
    assert figures["last read"] == "2.72 s ago · copies trusted 100 ms"
    assert shown["hint"].startswith("It is read when requests come")


@pytest.mark.parametrize(
    ("status", "offered"),
    [(400, 0), (403, 0), (422, 0), (429, 1), (500, 1), (503, 1)],
)
def test_only_what_may_succeed_can_be_tried_again(tab, status, offered):
    """What is refused for what it says would be refused again; a lost link is for now."""
    answer = {"status": status, "json": {"error": "no, for a reason", "field": None}}
    tab.page.route("**/rules", lambda route: route.fulfill(**answer))
    rules = tab.view("Rules")
    expect(rules.get_by_text("no, for a reason")).to_be_visible()
    expect(rules.get_by_role("button", name="Try again")).to_have_count(offered)
    tab.page.unroute("**/rules")
    if offered:
        again = rules.get_by_role("button", name="Try again")
        again.click()
        expect(rules.get_by_role("region", name="Rules")).to_be_focused()
    tab.complaints[:] = [text for text in tab.complaints if str(status) not in text]


def test_rules_are_shown_with_units(tab):
    """Durations and sizes are written as everywhere else."""
    rules = tab.view("Rules")
    says = rules.get_by_role("row", name="/pages/").get_by_role("cell").first
    expect(says).to_contain_text("ttl 60 s")
    expect(says).to_contain_text("404 for 10 s")
    expect(says).to_contain_text("max_body 64 kB")
    expect(rules.get_by_role("row", name="/tasks/").get_by_role("cell").first).to_contain_text(
        "ttl 5 min"
    )


def test_entries_are_shown_page_by_page(tab, site):
    """Next and Previous lead through all that is stored, and back."""
    for number in range(60):
        site.ask(f"/tasks/{1000 + number}")
    entries = tab.view("Entries")
    entries.get_by_label("URL or path begins with").fill("/tasks/1")
    entries.get_by_role("button", name="Look").click()
    expect(entries.get_by_role("button", name="Next")).to_be_enabled()
    first = entries.locator("tbody th").all_inner_texts()
    entries.get_by_role("button", name="Next").click()
    expect(entries.get_by_text("Page 2")).to_be_visible()
    assert set(first).isdisjoint(entries.locator("tbody th").all_inner_texts())
    entries.get_by_role("button", name="Previous").click()
    expect(entries.get_by_text("Page 1")).to_be_visible()
    entries.get_by_label("Tag").fill("task:1001")
    entries.get_by_role("button", name="Look").click()
    expect(entries.locator("tbody tr")).to_have_count(1)


def test_no_file_could_run_or_load_what_is_not_its_own():
    """No markup is made of text, no style stands in an attribute, and no address is elsewhere."""
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|eval\(|new Function"
        r"|\bstyle=|https?://(?!www\.w3\.org/2000/svg)"
    )
    files = [path for path in DASHBOARD.iterdir() if path.is_file()]
    assert {"index.html", "app.js", "style.css"} <= {path.name for path in files}
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert forbidden.findall(text) == [], path.name
        assert all(len(line) <= 100 for line in text.splitlines()) or path.suffix == ".svg"


def test_the_page_names_every_module():
    """All are asked for at once, and not one after the other as they import each other."""
    page = (DASHBOARD / "index.html").read_text(encoding="utf-8")
    named = set(re.findall(r'"static/(\w+\.js)"', page))
    assert named == {path.name for path in DASHBOARD.glob("*.js")}

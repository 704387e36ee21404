/* The page: who may see it, its views, and what keeps them up to date. */

import { Refusal, follow, get, hasToken, setToken, whenUnauthorized } from "./api.js";
import { field, fillWith, h, problem, say, setText } from "./dom.js";
import { makeEntries } from "./entries.js";
import { makeExplain } from "./explain.js";
import { plainly, seconds } from "./format.js";
import { History } from "./history.js";
import { makeOverview } from "./overview.js";
import { makePurges } from "./purges.js";
import { makeRoutes } from "./routes.js";
import { makeRules } from "./rules.js";

const VIEWS = [
  ["overview", "Overview", makeOverview],
  ["routes", "Routes", makeRoutes],
  ["entries", "Entries", makeEntries],
  ["purge", "Purge", makePurges],
  ["explain", "Explain", makeExplain],
  ["rules", "Rules", makeRules],
];

/* Seconds until the next attempt after a lost link; the last one goes on. */
const PAUSES = [1, 2, 4, 8, 15];

const main = document.getElementById("main");
const tabs = document.getElementById("tabs");
const link = document.getElementById("link");
const leave = document.getElementById("leave");
const whence = document.getElementById("whence");

let ended = new AbortController();

function setLink(state, text) {
  link.dataset.state = state;
  setText(link, text);
}

/* Show all views' tabs, and the one that the address names. */
class Page {
  constructor() {
    this.history = new History();
    this.views = new Map(VIEWS.map(([name, label, make]) => {
      const view = make({ history: this.history, go: (where, what) => this.go(where, what) });
      const tab = h("button", { type: "button", role: "tab", id: `tab-${name}`,
        "aria-controls": `view-${name}`, click: () => this.open(name, true) }, label);
      const body = h("section", { class: "view", role: "tabpanel", id: `view-${name}`,
        "aria-labelledby": `tab-${name}`, hidden: true }, view.element);
      return [name, { ...view, tab, body }];
    }));
    const every = [...this.views.values()];
    fillWith(tabs, every.map(({ tab }) => tab));
    fillWith(main, every.map(({ body }) => body));
    tabs.onkeydown = (event) => this.#move(event);
    this.open(location.hash.slice(1));
  }

  open(name, remember = false) {
    const chosen = this.views.has(name) ? name : "overview";
    if (remember && location.hash.slice(1) !== chosen) history.pushState(null, "", `#${chosen}`);
    for (const [each, { tab, body }] of this.views) {
      tab.setAttribute("aria-selected", String(each === chosen));
      tab.tabIndex = each === chosen ? 0 : -1;
      body.hidden = each !== chosen;
    }
    this.current = this.views.get(chosen);
    this.current.tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.current.open?.();
    this.current.update?.();
  }

  /* Open a view with *what* it is to show. */
  go(name, what) {
    this.open(name, true);
    this.current.show?.(what);
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }

  #move(event) {
    const every = [...this.views.values()].map(({ tab }) => tab);
    const here = every.indexOf(document.activeElement);
    const last = every.length - 1;
    const next = {
      ArrowRight: here === last ? 0 : here + 1, ArrowLeft: here === 0 ? last : here - 1,
      Home: 0, End: last,
    }[event.key];
    if (here < 0 || next === undefined) return;
    event.preventDefault();
    every[next].focus();
    every[next].click();
  }

  take(stats) {
    this.history.take(stats);
    setText(whence, `${plainly(stats.process)} · up ${seconds(Math.floor(stats.uptime))}`);
    this.current.update?.();
  }

  event(name, data) {
    if (name === "stats") return this.take(data);
    for (const view of this.views.values()) view.note?.(name, data);
  }
}

/* Resolve in *pause* seconds, or when the page is left. */
const wait = (pause, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, pause * 1000);
  signal.addEventListener("abort", () => [clearTimeout(timer), resolve()], { once: true });
});

/* Keep *page* up to date until *signal*: by events, or by asking if too many listen. A stream that
 * the server ends after a while is followed by the next one. */
async function keepUp(page, signal) {
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      await follow("events", signal, (name, data) => {
        setLink("live", "live");
        failures = 0;
        page.event(name, data);
      });
    } catch (error) {
      if (signal.aborted || error.isUnauthorized) return;
      if (error instanceof Refusal && error.status !== 0) await ask(page);
      else setLink("lost", "disconnected");
    }
    await wait(PAUSES[Math.min(failures, PAUSES.length - 1)], signal);
  }
}

async function ask(page) {
  try {
    page.take(await get("stats"));
    setLink("polled", "asked now and then");
  } catch {
    setLink("lost", "disconnected");
  }
}

function enter(stats) {
  ended = new AbortController();
  tabs.hidden = false;
  leave.hidden = !hasToken();
  const page = new Page();
  onhashchange = onpopstate = () => page.open(location.hash.slice(1));
  page.take(stats);
  setLink("starting", "connecting");
  keepUp(page, ended.signal);
  return page;
}

function askForToken(refusal = "") {
  ended.abort();
  setToken(null);
  document.querySelector("dialog[open]")?.close();
  [tabs.hidden, leave.hidden] = [true, true];
  setText(whence, "");
  setLink("out", "not logged in");
  const input = h("input", { type: "password", autocomplete: "current-password", required: true,
    spellcheck: "false" });
  const user = h("input", { type: "text", autocomplete: "username", value: "cache", hidden: true });
  const button = h("button", { class: "main" }, "Log in");
  const said = h("p", { class: "refusal", role: "alert" }, refusal);
  const form = h("form", { class: "panel login", submit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    const token = input.value.trim();
    if (!/^[\x21-\x7e]+$/.test(token)) return askForToken("No token looks like this.");
    setToken(token);
    const page = await begin();
    if (page) page.current.tab.focus();
    else if (!main.contains(document.activeElement)) main.focus();
    button.disabled = false;
  } }, h("h2", null, "Log in"), user, field("Token", input,
    "The one that the admin API was made with. It is kept in this tab only."), said, button);
  fillWith(main, form);
  input.focus();
}

/* Ask for the first figures; whoever may have them is in, and has the page. */
async function begin() {
  try {
    return enter(await get("stats"));
  } catch (error) {
    if (error.isUnauthorized) return null;
    setLink("lost", "disconnected");
    fillWith(main, problem(error, begin));
    return null;
  }
}

whenUnauthorized(() => askForToken(hasToken() ? "This token is not accepted." : ""));
leave.addEventListener("click", () => [askForToken(), say("Logged out.")]);

/* Where a token is known to be wanted, nothing has to be tried to find that out. */
const access = document.querySelector("meta[name=access]").content;
if (access === "token" && !hasToken()) askForToken();
else begin();

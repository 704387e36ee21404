/* How the cache is doing: the last minutes, and what it is made of. */

import { TimeChart } from "./chart.js";
import { RESULTS, hitRatioOf, quantileOf, requestsOf } from "./counts.js";
import { figures, fillWith, h, notice, panel, setText } from "./dom.js";
import { bytes, count, percent, plainly, rate, roughly, seconds, time } from "./format.js";

const MINUTE = 60;

/* Events that are shown; beyond, the oldest goes. */
const SHOWN = 50;

/* Events that come in numbers: those in a row are one line. */
const FREQUENT = new Set(["stored", "fill", "request"]);

function tile(label, hint) {
  const [value, below] = [h("p", { class: "value" }, "–"), h("p", { class: "below" }, " ")];
  const element = h("div", { class: "tile", title: hint }, h("h2", null, label), value, below);
  const set = (main, more) => [setText(value, main), setText(below, more)];
  return { element, set };
}

function makeTiles() {
  const tiles = {
    ratio: tile("Hits · 1 min", "Answered from the store, of what is the cache’s business"),
    requests: tile("Requests · 1 min", "All that came, untouched ones included"),
    cached: tile("From store · 1 min", "To the last byte of what was answered without the app"),
    app: tile("By the app · 1 min", "The app’s own time for a response"),
    saved: tile("Time saved", "What clients would have waited longer, since the cache was made"),
    memory: tile("Memory", "Of stored responses in this process"),
  };
  const element = h("div", { class: "tiles" }, Object.values(tiles).map((each) => each.element));
  return { ...tiles, element };
}

function updateTiles(tiles, history) {
  const { stats, total } = history.latest;
  const { counts, elapsed } = history.over(MINUTE);
  tiles.ratio.set(percent(hitRatioOf(counts)), `${percent(hitRatioOf(total))} since start`);
  tiles.requests.set(elapsed ? `${rate(requestsOf(counts) / elapsed)}/s` : "–",
    `${roughly(requestsOf(total))} since start`);
  for (const name of ["cached", "app"]) {
    const [half, most] = [0.5, 0.99].map((part) =>
      seconds(quantileOf(stats.bounds, counts[name], part)));
    tiles[name].set(half, `p50 · p99 ${most}`);
  }
  tiles.saved.set(seconds(total.saved), `${seconds(counts.saved)} last minute`);
  const { store } = stats;
  tiles.memory.set(bytes(store.bytes),
    store.budget ? `${percent(store.bytes / store.budget)} of ${bytes(store.budget)}`
      : "no budget");
}

function requestChart() {
  return new TimeChart({
    title: "Requests a second, by result",
    waiting: "Waiting for the first seconds …",
    stacked: true,
    format: (value) => rate(value),
    series: RESULTS.map(([name, title]) => ({
      name, label: name, title,
      value: ({ counts, elapsed }) => counts.results[name] / elapsed,
    })),
    describe: (points) => {
      const rates = points.map(({ counts, elapsed }) => requestsOf(counts) / elapsed);
      return `From ${rate(Math.min(...rates))} to ${rate(Math.max(...rates))} requests a second, `
        + `${rate(rates.at(-1))} now. The table beside it has each result.`;
    },
  });
}

function latencyChart() {
  const series = [["cached", "store"], ["app", "app"]].flatMap(([name, label]) =>
    ["p50", "p99"].map((part, index) => ({
      name: `${name}-${part}`, label: `${label} ${part}`, value: (point) => point[name][index],
    })));
  return new TimeChart({
    title: "Response times: from the store, and by the app",
    waiting: "Nothing was answered in these minutes.",
    stacked: false,
    format: seconds,
    series,
    describe: (points) => {
      const { cached: pair, app: other } = points.at(-1);
      const [cached, app] = [pair.map(seconds), other.map(seconds)];
      return `Now half of what comes from the store takes up to ${cached[0]}, 99 % up to `
        + `${cached[1]}; by the app ${app[0]} and ${app[1]}.`;
    },
  });
}

/* Parts of a cache: a title, and `[name, label, value(stats), hint]` for each figure. */
const PARTS = [
  ["Store", [
    ["kind", "kind", ({ store }) => store.kind],
    ["entries", "stored here", ({ store }) => count(store.entries), "Records in this process"],
    ["evicted", "evicted", ({ store }) => count(store.evicted), "To make room, before their time"],
    ["expired", "expired", ({ store }) => count(store.expired)],
    ["too_large", "too large", ({ store }) => count(store.too_large),
      "Larger than the whole budget"],
    ["conflicts", "differ by user",
      ({ public_conflicts: by }) => count(Object.values(by).reduce((a, b) => a + b, 0)),
      "Responses that a rule takes for everybody’s, and that were not"],
    ["refused", "fills refused", ({ fills_refused: n }) => count(n),
      "Past the store, as a rule’s limits were used up"],
  ]],
  ["Server", [
    ["breaker", "breaker", ({ store }) => store.server?.breaker, "closed: all is well"],
    ["opened", "opened", ({ store }) => count(store.server?.opened), "How often"],
    ["operations", "round trips", ({ store }) => roughly(store.server?.operations)],
    ["failures", "failed", ({ store }) => count(failuresOf(store.server))],
    ["not_tried", "not tried", ({ store }) => count(store.server?.failures[NOT_TRIED]),
      "While the breaker was open the server was left alone"],
    ["took", "p50 · p99", ({ store, bounds }) => store.server && [0.5, 0.99].map((part) =>
      seconds(quantileOf(bounds, store.server.seconds, part))).join(" · ")],
    ["odd", "corrupt · forged", ({ store }) => store.server
      && `${count(store.server.corrupt)} · ${count(store.server.forged)}`],
    ["used", "its memory", ({ store }) => memoryOf(store.server?.memory)],
  ]],
  ["Purge log", [
    ["position", "position", ({ log }) => log.position],
    ["behind", "last read", ({ log, store }) => lastReadOf(log, store.server),
      "It is read when requests come, so that while none do it may be long ago. Copies in this "
        + "process are trusted that long after it was read"],
    ["withheld", "withheld", ({ log }) => count(log.withheld),
      "Heeded here, but not in the log yet"],
    ["unacknowledged", "waiting", ({ store }) => count(store.server?.unacknowledged ?? 0),
      "Purges that the log has still to take"],
    ["purges", "purges", (stats) => count(stats.purges)],
    ["invalidations", "by unsafe requests", (stats) => count(stats.invalidations)],
    ["deletes", "deleted singly", (stats) => count(stats.deletes)],
  ]],
  ["Runs of the app", [
    ["under_way", "under way", ({ flights }) => count(flights.under_way)],
    ["begun", "begun", ({ flights }) => count(flights.begun)],
    ["joined", "joined", ({ flights }) => count(flights.joined),
      "Requests that waited for another’s run"],
    ["too_many", "beyond the limit", ({ flights }) => count(flights.too_many)],
    ["leases_taken", "turns taken", ({ flights }) => count(flights.leases_taken),
      "Among the processes"],
    ["leases_waited", "turns waited", ({ flights }) => count(flights.leases_waited)],
    ["values", "values, from the store", ({ values }) => valuesOf(values)],
  ]],
];

/* What is counted among the failures, though nothing was sent that could fail. */
const NOT_TRIED = "circuit-open";

const failuresOf = (server) => server && Object.entries(server.failures)
  .reduce((all, [kind, each]) => (kind === NOT_TRIED ? all : all + each), 0);

/* Without a server the log is this process's own; before the first read there is no time. */
function lastReadOf({ behind, bound }, server) {
  if (!server) return "in this process";
  const ago = behind === null ? "never" : `${seconds(behind)} ago`;
  return `${ago} · copies trusted ${seconds(bound)}`;
}

function memoryOf(memory) {
  if (!memory) return null;
  const limit = memory.limit ? ` of ${bytes(memory.limit)}` : "";
  return `${bytes(memory.used)}${limit}`;
}

function valuesOf(values) {
  const asked = Object.values(values).reduce((all, each) => all + each, 0);
  const here = (values.hit ?? 0) + (values.stale ?? 0);
  return asked ? `${percent(here / asked)} of ${roughly(asked)}` : "–";
}

function makePart([title, rows]) {
  const shown = figures(rows.map(([name, label, , hint]) => [name, label, hint]));
  const element = panel(title, shown.element);
  return {
    element,
    update(stats) {
      element.hidden = title === "Server" && !stats.store.server;
      shown.set(Object.fromEntries(rows.map(([name, , value]) => [name, value(stats) ?? "–"])));
      shown.cells.breaker?.setAttribute("data-state", stats.store.server?.breaker ?? "none");
    },
  };
}

/* What wants looking at, in words; most of the time nothing does. */
function worriesOf(stats) {
  const { server } = stats.store;
  const conflicts = Object.keys(stats.public_conflicts).map((route) => plainly(route || "no rule"));
  return [
    server?.breaker === "open"
      && "The store’s server is left alone, as it has failed: the app answers.",
    server?.unacknowledged > 0
      && `Purges that wait for the log to take them: ${count(server.unacknowledged)}.`,
    server?.forged > 0 && `Records in the store that were forged: ${count(server.forged)}.`,
    stats.log.withheld > 0 && "Other processes do not know of some purges yet.",
    conflicts.length > 0
      && `Responses differ by user where a rule says “public”: ${conflicts.join(", ")}.`,
  ].filter(Boolean);
}

export function makeOverview({ history }) {
  const tiles = makeTiles();
  const charts = [requestChart(), latencyChart()];
  const parts = PARTS.map(makePart);
  const worries = h("div", { class: "worries" });
  const events = h("ol", { class: "events" },
    h("li", { class: "none" }, "Nothing yet, since this page was opened."));
  const element = [worries, tiles.element,
    h("div", { class: "charts" }, charts.map((chart) => chart.element)),
    h("div", { class: "parts" }, parts.map((part) => part.element)),
    panel("What has just happened", events)];
  let told = "";
  return {
    element,
    update() {
      if (!history.latest) return;
      const { stats } = history.latest;
      updateTiles(tiles, history);
      for (const chart of charts) chart.update(history.points);
      for (const part of parts) part.update(stats);
      const now = worriesOf(stats);
      if (told !== now.join()) fillWith(worries, now.map((text) => notice("problem", text)));
      told = now.join();
    },
    note(name, data) {
      events.querySelector(".none")?.remove();
      const newest = events.firstChild;
      const isMore = FREQUENT.has(name) && newest?.dataset.name === name;
      const times = isMore ? Number(newest.dataset.times) + 1 : 1;
      const line = h("li", { "data-name": name, "data-times": times },
        h("time", null, time(data.at ?? Date.now() / 1000)), " ",
        h("b", null, plainly(name), times > 1 && ` × ${count(times)}`), " ",
        h("span", null, summaryOf(data)));
      if (isMore) newest.replaceWith(line);
      else events.prepend(line);
      while (events.children.length > SHOWN) events.lastChild.remove();
    },
  };
}

/* How fields of events are written that are no plain numbers. */
const UNITS = { seconds, ttl: seconds, size: bytes };

/* An event's fields in one line, whatever they are. */
function summaryOf(data) {
  const told = Object.entries(data).flatMap(([name, value]) => {
    if (name === "at" || value === null || value === false) return [];
    if (value === true) return [name];
    if (Array.isArray(value)) return [`${name} ${value.join(", ")}`];
    if (typeof value === "object") return [summaryOf(value)];
    return [`${name} ${UNITS[name]?.(value) ?? value}`];
  });
  return plainly(told.join(" · "));
}


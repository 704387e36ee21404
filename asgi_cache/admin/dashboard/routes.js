/* One line for each rule that had requests; a line opens what there is to say of it. */

import { bucketChart } from "./chart.js";
import { RESULTS, countOf, hitRatioOf, quantileOf, requestsOf } from "./counts.js";
import { figures, h, notice, openDialog, panel, setText, table } from "./dom.js";
import { bytes, count, percent, plainly, roughly, seconds } from "./format.js";

export const nameOf = (route) => (route === "" ? "no rule" : plainly(route));

const at = (name, part) => ({ counts, bounds }) => quantileOf(bounds, counts[name], part);

/* `[name, label, value(row), write, hint]`; a value is what a column is sorted by. */
const COLUMNS = [
  ["route", "Route", ({ route }) => route, nameOf],
  ["requests", "Requests", ({ counts }) => requestsOf(counts), roughly],
  ["ratio", "Hits", ({ counts }) => hitRatioOf(counts), percent,
    "Answered from the store, of what is the cache’s business"],
  ["cached50", "Store p50", at("cached", 0.5), seconds],
  ["cached99", "p99", at("cached", 0.99), seconds, "From the store"],
  ["app50", "App p50", at("app", 0.5), seconds],
  ["app99", "p99", at("app", 0.99), seconds, "By the app"],
  ["saved", "Saved", ({ counts }) => counts.saved, seconds,
    "Time that clients would have waited longer without the cache"],
  ["stale", "Stale", ({ counts }) => counts.results.stale, roughly, "Stale responses served"],
  ["bytes", "Served", ({ counts }) => counts.bytes, bytes],
];

function compare(one, other) {
  if (one === null || other === null) return (one !== null) - (other !== null);
  return typeof one === "string" ? one.localeCompare(other) : one - other;
}

export function makeRoutes({ history, go }) {
  let [sorted, rising, span] = ["requests", false, "start"];
  const rows = new Map();
  const body = h("tbody");
  const heads = COLUMNS.map(([name, label, , , hint], index) =>
    h("th", { scope: "col", class: index ? "number" : null, title: hint, "data-name": name },
      h("button", { type: "button", click: () => sort(name) }, label)));
  const none = notice("empty", "No requests yet.");
  const spans = h("fieldset", { class: "choice" }, h("legend", { class: "unseen" }, "Span"),
    [["start", "Since start"], ["minute", "Last minute"]].map(([value, label]) => h("label", null,
      h("input", { type: "radio", name: "span", value, checked: value === span,
        change: () => [(span = value), update()] }), label)));
  const wide = table("Routes", heads, body);
  const element = panel("Routes", spans, wide, none);

  function sort(name) {
    [rising, sorted] = [sorted === name ? !rising : name === "route", name];
    update(true);
  }

  function rowOf(route) {
    const cells = COLUMNS.map((_, index) => (index ? h("td", { class: "number" }) : null));
    const button = h("button", { type: "button", class: "plain",
      click: () => openRoute(history, route, go) }, nameOf(route));
    const row = h("tr", { click: (event) => event.target.closest("button") ?? button.click() },
      h("th", { scope: "row" }, button), cells.slice(1));
    return { row, cells };
  }

  /* Rows stay where they are while somebody points at them, or has the focus in them. */
  function update(anyway = false) {
    const { latest } = history;
    if (!latest) return;
    const { bounds } = latest.stats;
    const shown = [...history.routes(span)].map(([route, counts]) => ({ route, counts, bounds }));
    for (const each of shown) {
      if (!rows.has(each.route)) rows.set(each.route, rowOf(each.route));
      const { cells } = rows.get(each.route);
      for (const [index, [, , value, write]] of COLUMNS.entries()) {
        if (index) setText(cells[index], write(value(each)));
      }
    }
    for (const head of heads) {
      const direction = rising ? "ascending" : "descending";
      head.setAttribute("aria-sort", head.dataset.name === sorted ? direction : "none");
    }
    [wide.hidden, none.hidden] = [!shown.length, shown.length > 0];
    const held = body.matches(":hover") || body.contains(document.activeElement);
    if (held && !anyway && body.children.length === shown.length) return;
    const value = COLUMNS.find(([name]) => name === sorted)[2];
    shown.sort((a, b) => compare(value(a), value(b)) * (rising ? 1 : -1));
    const order = shown.map(({ route }) => rows.get(route).row);
    if (order.some((row, index) => body.children[index] !== row)
      || body.children.length !== order.length) body.replaceChildren(...order);
  }

  return { element, update };
}

function statusTable(requests) {
  const statuses = [...new Set(Object.values(requests).flatMap(Object.keys))].sort();
  const head = [h("th", { scope: "col" }, "Result"), statuses.map((status) =>
    h("th", { scope: "col", class: "number" }, status === "0" ? "not seen" : status))];
  const rows = RESULTS.filter(([name]) => requests[name]).map(([name, hint]) =>
    h("tr", { title: hint }, h("th", { scope: "row" },
      h("span", { class: `key of-${name}`, "aria-hidden": "true" }), name),
    statuses.map((status) => h("td", { class: requests[name][status] ? "number" : "number nil" },
      count(requests[name][status] ?? 0)))));
  return table("Requests by result and status", head, h("tbody", null, rows));
}

function openRoute(history, route, go) {
  const { stats, routes } = history.latest;
  const plain = stats.routes.find((each) => each.route === route);
  const counts = routes.get(route);
  const { element, set } = figures([
    ["ratio", "hit ratio"], ["saved", "time saved"], ["served", "bytes served"],
    ["stored", "stored"], ["bytes", "bytes stored"],
  ]);
  set({
    ratio: percent(hitRatioOf(counts)), saved: seconds(counts.saved), served: bytes(counts.bytes),
    stored: count(plain.stored), bytes: bytes(plain.bytes_stored),
  });
  const times = [["cached", "from the store", counts.cached],
    ["forwarded", "with the app asked", counts.forwarded], ["app", "the app’s own", counts.app]];
  const quantiles = times.filter(([, , each]) => countOf(each)).map(([, label, each]) =>
    h("tr", null, h("th", { scope: "row" }, label),
      h("td", { class: "number" }, roughly(countOf(each))),
      [0.5, 0.9, 0.99].map((part) =>
        h("td", { class: "number" }, seconds(quantileOf(stats.bounds, each, part))))));
  const heads = ["Time", "Count", "p50", "p90", "p99"].map((label, index) =>
    h("th", { scope: "col", class: index ? "number" : null }, label));
  const leaveTo = (where, what) => () => [dialog.close(), go(where, what)];
  const actions = route && h("p", { class: "actions" },
    h("button", { type: "button", click: leaveTo("purge", [["route", route]]) }, "Purge …"));
  const dialog = openDialog(nameOf(route), element, statusTable(plain.requests),
    quantiles.length > 0 && [table("Response times", heads, h("tbody", null, quantiles)),
      bucketChart(stats.bounds, times, seconds)], actions);
}

/* The rules, in the order in which they are looked through. */

import { get } from "./api.js";
import { h, notice, panel, show, table } from "./dom.js";
import { bytes, plainly, rate, seconds } from "./format.js";

/* How fields are written that are no plain text or number; the API has seconds and bytes. */
const UNITS = {
  ttl: seconds, client_ttl: seconds, stale_while_revalidate: seconds, stale_if_error: seconds,
  status_ttl: (ttls) => Object.entries(ttls).map(([status, ttl]) =>
    `${status} for ${seconds(ttl)}`).join(", "),
  max_body: bytes, max_header: bytes,
  max_fills: (most) => (most === null ? "no limit" : `${rate(most)}/s`),
  max_user_fills: (most) => (most === null ? "no limit" : `${rate(most)}/s`),
};

function written(name, value) {
  if (Object.hasOwn(UNITS, name)) return UNITS[name](value);
  if (Array.isArray(value)) return value.map((each) => written("", each)).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

function whatItSays({ never, stated }) {
  if (never) return h("b", null, "never stored");
  const said = Object.entries(stated);
  if (!said.length) return "all as by default";
  return said.map(([name, value]) =>
    h("span", { class: "chip" }, h("i", null, plainly(name)), " ", plainly(written(name, value))));
}

export function makeRules() {
  const list = h("div", { class: "list" });
  const element = panel("Rules", h("p", { class: "hint" },
    "The first one that fits counts. A rule says how long, for whom and under which names."), list);

  function listed({ rules }) {
    if (!rules.length) {
      return notice("empty", "No rules: only what the app itself marks as fresh is stored.");
    }
    const heads = ["Pattern", "Says", "Said by"].map((label) => h("th", { scope: "col" }, label));
    const rows = rules.map((rule) => h("tr", null,
      h("th", { scope: "row", class: "url" }, plainly(rule.pattern)),
      h("td", null, whatItSays(rule)), h("td", null, plainly(rule.said_by))));
    return table("Rules", heads, h("tbody", null, rows));
  }

  return { element, open: () => show(list, () => get("rules"), listed) };
}

/* What is stored: page by page, and each response with its fields and, if asked for, its body. */

import { get } from "./api.js";
import { field, figures, h, notice, openDialog, panel, show, table } from "./dom.js";
import { bytes, count, date, plainly, seconds } from "./format.js";

const LIMIT = 50;

/* Characters of a body that are shown, and bytes of one that is no text. */
const [MOST_TEXT, MOST_BYTES] = [65536, 2048];

const HEADS = ["URL", "Status", "Age", "Fresh for", "Size", "Tags"];
const NUMBERS = [false, true, true, true, true, false];

/* What can be said of an entry in one word. */
function stateOf({ valid, ttl }) {
  if (!valid) return ["void", "purged since it was stored"];
  return ttl !== null && ttl <= 0 ? ["stale", "past its lifetime"] : ["fresh", ""];
}

function tagList(tags) {
  const [first, more] = [tags.slice(0, 3), tags.length - 3];
  return [first.map((tag) => h("span", { class: "chip" }, plainly(tag))), more > 0 && ` +${more}`];
}

export function makeEntries({ go }) {
  const prefix = h("input", { type: "search", spellcheck: "false", autocomplete: "off",
    placeholder: "/tasks" });
  const tag = h("input", { type: "search", spellcheck: "false", autocomplete: "off" });
  const list = h("div", { class: "list" });
  const previous = h("button", { type: "button", disabled: true }, "Previous");
  const next = h("button", { type: "button", disabled: true }, "Next");
  const where = h("span", { class: "where", role: "status" });
  let opened = false;
  const form = h("form", { class: "filter", role: "search", submit: (event) => {
    event.preventDefault();
    load([null]);
  } }, field("URL or path begins with", prefix), field("Tag", tag),
  h("button", { class: "main" }, "Look"));
  const pager = h("nav", { class: "pager", "aria-label": "Pages" }, previous, where, next);
  const element = panel("Stored responses and values", form, list, pager);

  /* Ask for the page that *path* leads to: the cursors of it and of those before it. */
  function load(path) {
    for (const button of [previous, next]) button.disabled = true;
    const asked = { prefix: prefix.value, tag: tag.value, limit: LIMIT, cursor: path.at(-1) };
    return show(list, () => look(asked), (page) => {
      [previous.disabled, next.disabled] = [path.length < 2, page.cursor === null];
      previous.onclick = () => load(path.slice(0, -1));
      next.onclick = () => load([...path, page.cursor]);
      where.textContent = `Page ${path.length} · ${count(page.scanned)} looked at`;
      return page.entries.length ? listed(page.entries)
        : notice("empty", "Nothing is stored that fits.");
    });
  }

  /* The server looks for a moment at a time: go on until something fits, or all was seen. */
  async function look(asked) {
    const { turn } = list;
    let page = await get("entries", asked);
    for (let { scanned } = page; ; page.scanned = scanned) {
      if (page.entries.length || page.cursor === null || list.turn !== turn) return page;
      where.textContent = `${count(scanned)} looked at …`;
      page = await get("entries", { ...asked, cursor: page.cursor });
      scanned += page.scanned;
    }
  }

  function listed(entries) {
    const heads = HEADS.map((label, index) =>
      h("th", { scope: "col", class: NUMBERS[index] ? "number" : null }, label));
    const rows = entries.map((entry) => {
      const [state, hint] = stateOf(entry);
      const button = h("button", { type: "button", class: "plain url",
        click: () => openEntry(entry.key, entry.url, go) }, plainly(entry.url));
      return h("tr", { class: `is-${state}`,
        click: (event) => event.target.closest("button") ?? button.click() },
      h("th", { scope: "row" }, button),
      h("td", { class: "number" }, String(entry.status)),
      h("td", { class: "number" }, seconds(Math.floor(entry.age))),
      h("td", { class: "number", title: hint }, state === "fresh" ? seconds(entry.ttl) : state),
      h("td", { class: "number" }, bytes(entry.size)),
      h("td", null, tagList(entry.tags)));
    });
    return table("Stored responses and values", heads, h("tbody", null, rows));
  }

  return {
    element,
    open() {
      if (!opened) load([null]);
      opened = true;
    },
    show(asked) {
      [prefix.value, tag.value] = [asked.prefix ?? "", asked.tag ?? ""];
      opened = true;
      load([null]);
    },
  };
}

function openEntry(key, url, go) {
  const region = h("div", { class: "entry" });
  const dialog = openDialog(plainly(url), region);
  const leaveTo = (where, what) => [dialog.close(), go(where, what)];
  show(region, () => get(`entries/${encodeURIComponent(key)}`), (entry) => detail(entry, leaveTo));
}

function detail(entry, leaveTo) {
  const [state, hint] = stateOf(entry);
  const { element, set } = figures([
    ["state", "state"], ["status", "status"], ["age", "age"], ["ttl", "fresh for"],
    ["stored", "stored"], ["size", "size"], ["route", "route"], ["etag", "ETag"],
    ["key", "key"],
  ]);
  set({
    state: hint || state, status: String(entry.status), age: seconds(Math.floor(entry.age)),
    ttl: seconds(entry.ttl), stored: date(entry.stored_at), size: bytes(entry.size),
    route: entry.route === "" ? "no rule" : plainly(entry.route), key: entry.key,
    etag: entry.etag === null ? "none" : plainly(entry.etag),
  });
  const tags = entry.tags.map((tag) => h("button", { type: "button", class: "chip",
    title: "Others with this tag", click: () => leaveTo("entries", { tag }) }, plainly(tag)));
  const rows = entry.headers.map(([name, value]) =>
    h("tr", null, h("th", { scope: "row" }, plainly(name)), h("td", null, plainly(value))));
  const heads = ["Field", "Value"].map((label) => h("th", { scope: "col" }, label));
  const body = h("div", { class: "body" });
  const ask = h("button", { type: "button", click: () => {
    ask.hidden = true;
    show(body, () => get(`entries/${encodeURIComponent(entry.key)}`, { body: 1 }), bodyOf);
  } }, "Show the body");
  return [element, tags.length > 0 && h("p", { class: "chips" }, tags),
    table("Fields", heads, h("tbody", null, rows)),
    h("p", { class: "actions" }, ask, purgeButton(entry, leaveTo)), body];
}

function purgeButton({ url }, leaveTo) {
  const named = url.startsWith("data:") ? ["key", url.slice("data:".length)] : ["url", url];
  return h("button", { type: "button", click: () => leaveTo("purge", [named]) }, "Purge …");
}

/* A body as text, whatever it says that it is. */
function bodyOf({ body, encoding }) {
  if (!body) return notice("empty", "The body is empty.");
  const isText = encoding !== "base64";
  const [text, cut] = isText
    ? [body.slice(0, MOST_TEXT), body.length > MOST_TEXT] : hexadecimal(body);
  const most = isText ? `${count(MOST_TEXT)} characters` : `${count(MOST_BYTES)} bytes`;
  return [cut && notice("waiting", `The first ${most}:`),
    h("pre", { tabindex: "0", role: "region", "aria-label": "Body", class: !isText && "hex" },
      text)];
}

function hexadecimal(encoded) {
  const raw = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  const lines = [];
  for (let start = 0; start < Math.min(raw.length, MOST_BYTES); start += 16) {
    const line = [...raw.slice(start, Math.min(start + 16, MOST_BYTES))];
    const digits = line.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const shown = line.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·"));
    lines.push(`${start.toString(16).padStart(6, "0")}  ${digits.padEnd(48)} ${shown.join("")}`);
  }
  return [lines.join("\n"), raw.length > MOST_BYTES];
}

/* Purging: first what it would void, then doing it; and what was purged lately. */

import { get, post } from "./api.js";
import { fillWith, h, notice, panel, say, show, table } from "./dom.js";
import { count, plainly, time } from "./format.js";

/* `[name in the API, label, example]` */
const KINDS = [
  ["tags", "Tag", "product:7"],
  ["path", "Path, and all below", "/tasks"],
  ["url", "URL", "/tasks?page=2"],
  ["route", "Route", "/tasks/{task_id}"],
  ["user", "User", "7"],
  ["key", "Key of a value", "report:2026"],
];

function selectorRow(remove) {
  const kind = h("select", { "aria-label": "What it names" },
    KINDS.map(([name, label]) => h("option", { value: name }, label)));
  const value = h("input", { type: "text", "aria-label": "Its name", spellcheck: "false",
    autocomplete: "off" });
  const hint = () => {
    value.placeholder = KINDS.find(([name]) => name === kind.value)[2];
  };
  kind.addEventListener("change", hint);
  hint();
  const element = h("div", { class: "selector" }, kind, value, h("button", { type: "button",
    class: "quiet", "aria-label": "Leave this one out", click: () => remove(row) }, "×"));
  const row = { element, kind, value, hint };
  return row;
}

function radios(name, legend, options) {
  const inputs = options.map(([value, label], index) => h("label", null,
    h("input", { type: "radio", name, value, checked: index === 0 }), label));
  return h("fieldset", { class: "choice" }, h("legend", null, legend), inputs);
}

export function makePurges() {
  let [rows, pending] = [[], null];
  const selectors = h("div", { class: "selectors" });
  const everything = h("input", { type: "checkbox" });
  const result = h("div", { class: "result" });
  const add = h("button", { type: "button", click: () => addRow().value.focus() }, "Add another");
  const all = radios("all", "Void what is named by",
    [["any", "any of them"], ["all", "all of them"]]);
  const soft = radios("soft", "What is void", [["hard", "is gone"],
    ["soft", "is stale: it may be served while the app is asked"]]);
  const preview = h("button", { class: "main" }, "Preview");
  const form = h("form", { class: "purge", submit: look, input: forget, change: forget },
    selectors, h("p", { class: "actions" }, add),
    h("label", { class: "check" }, everything, "Everything that is stored"),
    all, soft, h("p", { class: "actions" }, preview));
  const recent = h("div", { class: "list" });
  const element = [panel("Purge", form, result), panel("Recent purges", recent)];
  addRow();

  function addRow([kind, value] = ["tags", ""]) {
    const row = selectorRow(remove);
    [row.kind.value, row.value.value] = [kind, value];
    row.hint();
    rows.push(row);
    selectors.append(row.element);
    return row;
  }

  function remove(row) {
    rows = rows.filter((each) => each !== row);
    row.element.remove();
    forget();
    (rows.length ? rows.at(-1) : addRow()).value.focus();
  }

  /* What was counted is of what was named then. */
  function forget() {
    result.turn = (result.turn ?? 0) + 1;
    fillWith(result);
    for (const control of [add, ...selectors.querySelectorAll("input, select, button")]) {
      control.disabled = everything.checked;
    }
  }

  function named() {
    const asked = { everything: everything.checked, all_of: chosen("all") === "all",
      soft: chosen("soft") === "soft" };
    if (asked.everything) return asked;
    for (const { kind, value } of rows) {
      if (value.value === "") continue;
      if (kind.value === "user") {
        if (asked.user !== undefined) throw new Error("One purge can name one user only.");
        asked.user = value.value;
      } else (asked[kind.value] ??= []).push(value.value);
    }
    return asked;
  }

  const chosen = (name) => form.querySelector(`[name=${name}]:checked`).value;

  function isNothing(asked) {
    return !asked.everything && !KINDS.some(([name]) => asked[name] !== undefined);
  }

  async function look(event) {
    event.preventDefault();
    let asked;
    try {
      asked = named();
      if (isNothing(asked)) throw new Error("Name something to purge.");
    } catch (error) {
      fillWith(result, notice("problem", error.message));
      return;
    }
    await show(result, () => post("purge", { ...asked, dry_run: true }), (would) =>
      previewed(asked, would));
  }

  function previewed(asked, { matching, sample, complete }) {
    const least = complete === false ? "at least " : "";
    const what = matching === 1 ? "1 stored response or value"
      : `${count(matching)} stored responses and values`;
    const text = matching === null ? "How much this would void could not be counted."
      : `This would void ${least}${what}.`;
    const more = sample.length > 0 && h("ul", { class: "sample" },
      sample.map((url) => h("li", null, plainly(url))),
      matching > sample.length
        && h("li", { class: "more" }, `and ${count(matching - sample.length)} more`));
    const confirm = h("button", { type: "button", class: asked.soft ? "main" : "main danger",
      click: () => order(asked) }, asked.everything ? "Purge everything" : "Purge");
    say(text);
    return h("div", { class: "preview" }, h("p", null, h("b", null, text)), more,
      complete === false && h("p", { class: "hint" }, "Not all that is stored was looked at."),
      h("p", { class: "actions" }, confirm));
  }

  function order(asked) {
    return show(result, () => post("purge", { ...asked, dry_run: false }), ({ acknowledged }) => {
      const text = acknowledged ? "Purged."
        : "Purged here; the log has not taken it yet, and it is repeated.";
      say(text);
      list();
      return notice(acknowledged ? "done" : "waiting", text);
    });
  }

  const list = () => show(recent, () => get("purges"), ({ purges }) =>
    (purges.length ? listed(purges) : notice("empty", "Nothing was purged in this process.")));

  function listed(purges) {
    const heads = ["When", "What", "How", "By"].map((label) => h("th", { scope: "col" }, label));
    const lines = purges.map((purge) => h("tr", null,
      h("td", { class: "when" }, time(purge.at)), h("td", null, namesOf(purge)),
      h("td", null, purge.soft ? "soft" : "hard", !purge.acknowledged && ", not acknowledged"),
      h("td", null, plainly(purge.by))));
    return table("Recent purges", heads, h("tbody", null, lines));
  }

  return {
    element,
    open: list,
    note(name) {
      if (!/^(purge|invalidat)/.test(name) || pending || recent.closest("[hidden]")) return;
      pending = setTimeout(() => [(pending = null), list()], 1000);
    },
    show(selected) {
      for (const { element: gone } of rows) gone.remove();
      [rows, everything.checked] = [[], false];
      for (const pair of selected) addRow(pair);
      forget();
    },
  };
}

/* What a purge names, as chips. */
function namesOf({ named, all_of: isAll }) {
  const chips = Object.entries(named).flatMap(([kind, names]) =>
    (Array.isArray(names) ? names : [names]).map((name) =>
      h("span", { class: "chip" }, h("i", null, kind), " ", name === true ? "" : plainly(name))));
  return [chips, isAll && chips.length > 1 && " all of them"];
}

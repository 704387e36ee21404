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

/* The lines of the form, each with what one thing is named by. */
class Selectors {
  #rows = [];

  constructor(onChange) {
    this.element = h("div", { class: "selectors" });
    this.onChange = onChange;
    this.add();
  }

  add([kind, name] = ["tags", ""]) {
    const select = h("select", { "aria-label": "What it names" },
      KINDS.map(([value, label]) => h("option", { value }, label)));
    const input = h("input", { type: "text", "aria-label": "Its name", spellcheck: "false",
      autocomplete: "off" });
    const hint = () => (input.placeholder = KINDS.find(([value]) => value === select.value)[2]);
    [select.value, input.value] = [kind, name];
    select.addEventListener("change", hint);
    hint();
    const element = h("div", { class: "selector" }, select, input, h("button", { type: "button",
      class: "quiet", "aria-label": "Leave this one out", click: () => this.#remove(row) }, "×"));
    const row = { element, select, input };
    this.#rows.push(row);
    this.element.append(element);
    return input;
  }

  #remove(row) {
    this.#rows = this.#rows.filter((each) => each !== row);
    row.element.remove();
    (this.#rows.at(-1)?.input ?? this.add()).focus();
    this.onChange();
  }

  /* Have these lines, and no others. */
  replace(selected) {
    this.element.replaceChildren();
    this.#rows = [];
    for (const pair of selected) this.add(pair);
  }

  set disabled(isDisabled) {
    for (const control of this.element.querySelectorAll("input, select, button")) {
      control.disabled = isDisabled;
    }
  }

  /* What is named, as the API takes it. */
  named() {
    const asked = {};
    for (const { select: { value: kind }, input: { value: name } } of this.#rows) {
      if (name === "") continue;
      if (kind !== "user") (asked[kind] ??= []).push(name);
      else if (asked.user === undefined) asked.user = name;
      else throw new Error("One purge can name one user only.");
    }
    if (!Object.keys(asked).length) throw new Error("Name something to purge.");
    return asked;
  }
}

function radios(name, legend, options) {
  const inputs = options.map(([value, label], index) => h("label", null,
    h("input", { type: "radio", name, value, checked: index === 0 }), label));
  return h("fieldset", { class: "choice" }, h("legend", null, legend), inputs);
}

/* The form; what it orders is told to *onPurge*. */
class PurgeForm {
  constructor(onPurge) {
    this.onPurge = onPurge;
    this.selectors = new Selectors(() => this.forget());
    this.everything = h("input", { type: "checkbox" });
    this.result = h("div", { class: "result" });
    this.add = h("button", { type: "button", click: () => this.selectors.add().focus() },
      "Add another");
    const forget = () => this.forget();
    this.form = h("form", { class: "purge", submit: (event) => this.#preview(event),
      input: forget, change: forget },
    this.selectors.element, h("p", { class: "actions" }, this.add),
    h("label", { class: "check" }, this.everything, "Everything that is stored"),
    radios("all", "Void what is named by", [["any", "any of them"], ["all", "all of them"]]),
    radios("soft", "What is void", [["hard", "is gone"],
      ["soft", "is stale: it may be served while the app is asked"]]),
    h("p", { class: "actions" }, h("button", { class: "main" }, "Preview")));
    this.element = panel("Purge", this.form, this.result);
  }

  /* What was counted is of what was named then. */
  forget() {
    this.result.turn = (this.result.turn ?? 0) + 1;
    this.result.removeAttribute("aria-busy");
    fillWith(this.result);
    for (const control of [this.add, this.selectors]) control.disabled = this.everything.checked;
  }

  name(selected) {
    this.everything.checked = false;
    this.selectors.replace(selected);
    this.forget();
  }

  #asked() {
    const chosen = (name) => this.form.querySelector(`[name=${name}]:checked`).value;
    const everything = this.everything.checked;
    return { ...(everything ? {} : this.selectors.named()), everything,
      all_of: chosen("all") === "all", soft: chosen("soft") === "soft" };
  }

  #preview(event) {
    event.preventDefault();
    let asked;
    try {
      asked = this.#asked();
    } catch (error) {
      fillWith(this.result, notice("problem", error.message));
      return;
    }
    show(this.result, () => post("purge", { ...asked, dry_run: true }), (would) =>
      this.#previewed(asked, would));
  }

  #previewed(asked, { matching, sample, complete }) {
    const what = matching === 1 ? "1 stored response or value"
      : `${count(matching)} stored responses and values`;
    const text = `This would void ${complete ? "" : "at least "}${what}.`;
    const more = matching - sample.length;
    const confirm = h("button", { type: "button", class: asked.soft ? "main" : "main danger",
      click: () => this.#order(asked) }, asked.everything ? "Purge everything" : "Purge");
    say(text);
    return h("div", { class: "preview" }, h("p", null, h("b", null, text)),
      sample.length > 0 && h("ul", { class: "sample" },
        sample.map((url) => h("li", null, plainly(url))),
        more > 0 && h("li", { class: "more" }, `and ${count(more)} more`)),
      !complete && h("p", { class: "hint" }, "Not all that is stored was looked at."),
      h("p", { class: "actions" }, confirm));
  }

  #order(asked) {
    return show(this.result, () => post("purge", { ...asked, dry_run: false }), (purged) => {
      const text = purged.acknowledged ? "Purged."
        : "Purged here; the log has not taken it yet, and it is repeated.";
      say(text);
      this.onPurge();
      return notice(purged.acknowledged ? "done" : "waiting", text);
    });
  }
}

export function makePurges() {
  let pending = null;
  const recent = h("div", { class: "list" });
  const list = () => show(recent, () => get("purges"), listed);
  const form = new PurgeForm(list);
  return {
    element: [form.element, panel("Recent purges", recent)],
    open: list,
    show: (selected) => form.name(selected),
    /* Purges may come in numbers: the list is asked for once a second. */
    note(name) {
      if (!/^(purge|invalidat)/.test(name) || pending || recent.closest("[hidden]")) return;
      pending = setTimeout(() => [(pending = null), list()], 1000);
    },
  };
}

function listed({ purges }) {
  if (!purges.length) return notice("empty", "Nothing was purged in this process.");
  const heads = ["When", "What", "How", "By"].map((label) => h("th", { scope: "col" }, label));
  const lines = purges.map((purge) => h("tr", null,
    h("td", { class: "when" }, time(purge.at)), h("td", null, namesOf(purge)),
    h("td", null, purge.soft ? "soft" : "hard", !purge.acknowledged && ", not acknowledged"),
    h("td", null, plainly(purge.by))));
  return table("Recent purges", heads, h("tbody", null, lines));
}

/* What a purge names, as chips. */
function namesOf({ named, all_of: isAll }) {
  const chips = Object.entries(named).flatMap(([kind, names]) =>
    (Array.isArray(names) ? names : [names]).map((name) =>
      h("span", { class: "chip" }, h("i", null, kind), " ", name === true ? "" : plainly(name))));
  return [chips, isAll && chips.length > 1 && " all of them"];
}

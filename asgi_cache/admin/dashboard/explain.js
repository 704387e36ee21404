/* What would become of a request, and of the app's response to it. */

import { post } from "./api.js";
import { field, fillWith, h, notice, panel, show } from "./dom.js";
import { plainly } from "./format.js";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/* Read lines of `Name: value`. */
function fieldsOf(text) {
  const fields = {};
  for (const line of text.split("\n").filter((each) => each.trim())) {
    const colon = line.indexOf(":");
    if (colon < 1) throw new Error(`“${line}” is no field: write Name: value.`);
    fields[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
  }
  return fields;
}

export function makeExplain() {
  const text = (attributes) => h("input", { type: "text", spellcheck: "false",
    autocomplete: "off", ...attributes });
  const lines = (placeholder) => h("textarea", { rows: "2", spellcheck: "false", placeholder });
  const method = h("select", null, METHODS.map((name) => h("option", null, name)));
  const url = text({ required: true, placeholder: "/tasks/42?full=1" });
  const user = text({});
  const headers = lines("Accept-Language: de");
  const status = h("input", { type: "number", min: "200", max: "599", value: "200" });
  const answered = lines("Cache-Control: max-age=60");
  const result = h("div", { class: "result" });

  async function ask(event) {
    event.preventDefault();
    let asked;
    try {
      asked = { method: method.value, url: url.value, user: user.value || null,
        headers: fieldsOf(headers.value), status: Number(status.value),
        answered: fieldsOf(answered.value) };
    } catch (error) {
      fillWith(result, notice("problem", error.message));
      return;
    }
    await show(result, () => post("explain", asked), explained);
  }

  const form = h("form", { class: "explain", submit: ask },
    h("fieldset", { class: "group" }, h("legend", null, "The request"),
      h("div", { class: "line" }, field("Method", method), field("URL", url)),
      field("User", user, "As user_id tells who it is; empty: whoever the fields say"),
      field("Fields", headers, "One a line")),
    h("fieldset", { class: "group" }, h("legend", null, "The app’s response"),
      field("Status", status), field("Fields", answered, "One a line")),
    h("p", { class: "actions" }, h("button", { class: "main" }, "Explain")));
  return {
    element: panel("Explain a request", form, result),
    show(asked) {
      url.value = asked.url;
    },
  };
}

function explained(said) {
  const rows = [["request", said.request], ["rule", said.rule]];
  if (said.passed !== null) rows.push(["passed on", said.passed]);
  const key = said.key.filter(([, value]) => value !== "").map(([name, value]) =>
    h("span", { class: "chip" }, h("i", null, plainly(name)), " ", plainly(value)));
  if (said.key.length) {
    rows.push(["key", key], ["partition", said.partition], ["tags", said.tags.length
      ? said.tags.map((tag) => h("span", { class: "chip" }, plainly(tag))) : "none"],
    ["in the store", said.found],
    ["response", `${said.stored ? "would be" : "would not be"} stored: ${said.reason}`]);
  }
  const verdict = said.passed !== null ? "The request goes past the store."
    : said.stored ? "The response would be stored." : "The response would not be stored.";
  return [h("p", { role: "status" }, h("b", null, verdict)), h("dl", { class: "facts" },
    rows.map(([name, value]) => h("div", null, h("dt", null, name),
      h("dd", null, typeof value === "string" ? plainly(value) : value))))];
}

/* How the page is put together. Whatever comes from the server enters it as text: nothing here, or
 * in what uses it, parses markup. */

const SVG = "http://www.w3.org/2000/svg";

/* Attributes that could make text run, or be loaded. */
const FORBIDDEN = /^(on.*|style|src|srcdoc|href|action|formaction)$/i;

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (FORBIDDEN.test(name)) throw new TypeError(`not an attribute for here: ${name}`);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

/* Make an element; an attribute that is a function listens to the event of its name. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/* The same for SVG. */
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export function fillWith(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
}

/* Set text only where it changes: a selection is kept, and nothing is laid out anew. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/* Tell those who do not see it what has just become of something. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/* A heading with what it is about below it. */
export function panel(title, ...children) {
  return h("section", { class: "panel" }, h("h2", null, title), children);
}

/* A list of names and values; `set` takes the values by name. */
export function figures(names) {
  const cells = Object.fromEntries(names.map(([name]) =>
    [name, h("dd", { "data-name": name }, "–")]));
  const rows = names.map(([name, label, hint]) =>
    h("div", { title: hint }, h("dt", null, label), cells[name]));
  const set = (values) => {
    for (const [name, value] of Object.entries(values)) setText(cells[name], value);
  };
  return { element: h("dl", { class: "figures" }, rows), cells, set };
}

/* A table that may be wider than the screen, and then can be moved by keyboard, too. */
export function table(label, head, body) {
  const columns = h("tr", null, head);
  return h("div", { class: "wide", role: "region", "aria-label": label, tabindex: "0" },
    h("table", null, h("thead", null, columns), body));
}

/* A field with its label and, below it, what to write there. */
export function field(label, control, hint) {
  const id = control.id || `field-${(field.count = (field.count ?? 0) + 1)}`;
  control.id = id;
  const note = hint && h("span", { class: "hint", id: `${id}-hint` }, hint);
  if (note) control.setAttribute("aria-describedby", note.id);
  return h("div", { class: "field" }, h("label", { for: id }, label), control, note);
}

/* What stands where there is nothing (yet): "empty", "waiting" or "problem". */
export function notice(kind, text, ...more) {
  const role = kind === "problem" ? "alert" : null;
  return h("div", { class: `notice ${kind}`, role }, h("p", null, text), more);
}

/* A failure in words, with a way to try *again* unless the same would be refused once more. */
export function problem(error, again) {
  return notice("problem", error.message, !error.isFinal
    && h("button", { type: "button", click: again }, "Try again"));
}

/* Fill *region*; a focus that was in what has gone goes to what is there now, not to the page. */
function renew(region, content) {
  const hadFocus = region.contains(document.activeElement);
  fillWith(region, content);
  const first = region.firstElementChild;
  if (!hadFocus || !first) return;
  const isNew = !first.hasAttribute("tabindex");
  if (isNew) first.tabIndex = -1;
  first.focus({ preventScroll: !isNew });
}

/* Put in *region* what *render* makes of what is *asked* for: while it is waited for, what was
 * there is dimmed; a failure is shown in its place. Answers that were overtaken by a later
 * question are dropped. */
export async function show(region, ask, render) {
  const turn = (region.turn = (region.turn ?? 0) + 1);
  region.setAttribute("aria-busy", "true");
  if (!region.hasChildNodes()) fillWith(region, notice("waiting", "Loading …"));
  try {
    const content = await ask();
    if (region.turn === turn) renew(region, render(content));
  } catch (error) {
    if (region.turn !== turn || error.isUnauthorized) return;
    renew(region, problem(error, () => show(region, ask, render)));
  } finally {
    if (region.turn === turn) region.removeAttribute("aria-busy");
  }
}

/* Open a dialogue; the browser keeps the focus in it, and puts it back where it was. */
export function openDialog(title, ...content) {
  const close = h("button", { type: "button", class: "quiet", click: () => dialog.close() },
    "Close");
  const heading = h("h2", { id: "dialog-title" }, title);
  const dialog = h("dialog", { "aria-labelledby": "dialog-title", close: () => dialog.remove() },
    h("header", null, heading, close), h("div", { class: "dialog-body" }, content));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/* The admin API. The token lives in this tab's session storage, and is sent to it alone. */

const KEPT = "asgi-cache-token";

export class Refusal extends Error {
  constructor(status, message, field = null) {
    super(message);
    Object.assign(this, { status, field });
  }

  get isUnauthorized() {
    return this.status === 401;
  }

  /* Whether the same request would be refused again: what is wrong is in it. */
  get isFinal() {
    return ![0, 429].includes(this.status) && this.status < 500;
  }
}

let token = sessionStorage.getItem(KEPT);
let onUnauthorized = () => {};

export const hasToken = () => token !== null;

export function setToken(text) {
  token = text;
  if (text === null) sessionStorage.removeItem(KEPT);
  else sessionStorage.setItem(KEPT, text);
}

/* Say what becomes of the page when a token is not, or no longer, accepted. */
export function whenUnauthorized(callback) {
  onUnauthorized = callback;
}

async function refusalOf(response) {
  let said = null;
  try {
    said = await response.json();
  } catch {
    /* It was no JSON: something before the cache has answered. */
  }
  const text = typeof said?.error === "string" ? said.error : `the server said ${response.status}`;
  const refusal = new Refusal(response.status, text, said?.field);
  if (refusal.isUnauthorized) onUnauthorized(refusal);
  return refusal;
}

async function send(path, options = {}) {
  const headers = { ...options.headers };
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store", redirect: "error" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The server cannot be reached.");
  }
  if (!response.ok) throw await refusalOf(response);
  return response;
}

/* Ask for *path*, relative to the page, with those *parameters* that are not empty. */
export async function get(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value != null);
  const query = given.length ? `?${new URLSearchParams(given)}` : "";
  return (await send(path + query)).json();
}

export async function post(path, content) {
  const headers = { "Content-Type": "application/json" };
  const options = { method: "POST", headers, body: JSON.stringify(content) };
  return (await send(path, options)).json();
}

/* Seconds in which something comes, if only the statistics; else the link is lost. */
const SILENCE = 10;

/* Read server-sent events until the stream ends: EventSource could not send the token. */
export async function follow(path, ended, onEvent) {
  const silent = new AbortController();
  const signal = AbortSignal.any([ended, silent.signal]);
  const response = await send(path, { signal, headers: { Accept: "text/event-stream" } });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const timer = setTimeout(() => silent.abort(), SILENCE * 1000);
    const { value, done } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) readEvent(block, onEvent);
  }
}

function readEvent(block, onEvent) {
  let [name, data] = ["message", []];
  for (const line of block.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (field === "event") name = value;
    else if (field === "data") data.push(value);
  }
  if (data.length) onEvent(name, JSON.parse(data.join("\n")));
}

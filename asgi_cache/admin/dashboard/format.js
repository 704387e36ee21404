/* How numbers, times and foreign text are written. */

const NOTHING = "–";
const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 3 });
const compact = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const calendar = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

export const count = (value) => (value == null ? NOTHING : whole.format(value));

export const roughly = (value) =>
  value == null ? NOTHING : value < 10000 ? whole.format(value) : compact.format(value);

/* Per second. */
export function rate(value) {
  if (value == null) return NOTHING;
  return value >= 1000 ? compact.format(value) : short.format(Math.round(value * 10) / 10);
}

/* Never rounded up to all, nor down to none. */
export function percent(part) {
  if (part == null) return NOTHING;
  const held = part < 1 ? Math.min(part, 0.999) : 1;
  return `${(held > 0 ? Math.max(held, 0.001) : 0).toLocaleString("en-GB", {
    style: "percent", minimumFractionDigits: held === 1 || held === 0 ? 0 : 1,
    maximumFractionDigits: 1,
  })}`;
}

/* Seconds, in the unit that suits them. */
export function seconds(value) {
  if (value == null) return NOTHING;
  const size = Math.abs(value);
  if (size === 0) return "0 s";
  if (size < 0.001) return `${short.format(value * 1e6)} µs`;
  if (size < 1) return `${short.format(value * 1e3)} ms`;
  if (size < 120) return `${short.format(value)} s`;
  if (size < 7200) return `${short.format(value / 60)} min`;
  if (size < 172800) return `${short.format(value / 3600)} h`;
  return `${short.format(value / 86400)} d`;
}

export function bytes(value) {
  if (value == null) return NOTHING;
  const units = ["B", "kB", "MB", "GB", "TB"];
  const unit = value < 1 ? 0 : Math.min(Math.floor(Math.log2(value) / 10), units.length - 1);
  return `${short.format(value / 1024 ** unit)} ${units[unit]}`;
}

export const time = (at) => (at == null ? NOTHING : clock.format(at * 1000));
export const date = (at) => (at == null ? NOTHING : calendar.format(at * 1000));

/* What text could hide, or turn around, is written as its code points. */
const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

export const plainly = (text) => String(text).replace(UNSEEN, (character) =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);

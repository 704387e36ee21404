/* Charts of the last minutes in SVG, with their figures beside them for those who do not see it. */

import { h, s, setText } from "./dom.js";
import { time } from "./format.js";
import { SPAN } from "./history.js";

const [LEFT, RIGHT, TOP, BOTTOM, HEIGHT] = [52, 8, 8, 22, 200];
const FLOOR = HEIGHT - BOTTOM;

/* Seconds that are shown: as many as there is something to show of. Marks: so many seconds ago. */
const SPANS = [60, 120, SPAN];
const AGES = { 60: [60, 40, 20, 0], 120: [120, 80, 40, 0], [SPAN]: [300, 180, 60, 0] };

/* A linear scale from nothing to somewhat above *highest*, with its marks. */
export function linear(highest) {
  const rough = Math.max(highest, 1) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) * power;
  const top = Math.ceil(Math.max(highest, 1) / step) * step;
  const marks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step);
  return { marks, part: (value) => value / top };
}

/* A scale of powers of ten around *values*. */
export function logarithmic(values) {
  const [lowest, highest] = [Math.min(...values), Math.max(...values)];
  const first = Math.floor(Math.log10(lowest));
  const last = Math.max(first + 1, Math.ceil(Math.log10(highest)));
  const marks = Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
  return { marks, part: (value) => (Math.log10(value) - first) / (last - first) };
}

const round = (value) => Math.round(value * 10) / 10;
const path = (pairs) => pairs.map(([x, y]) => `${round(x)},${round(y)}`).join("L");

/* A line that is left out where there is no value. */
function lineThrough(pairs) {
  const pieces = [];
  let piece = [];
  for (const pair of pairs) {
    if (pair[1] !== null) piece.push(pair);
    else if (piece.length) [pieces[pieces.length], piece] = [piece, []];
  }
  if (piece.length) pieces.push(piece);
  return pieces.map((each) => `M${path(each)}${each.length === 1 ? "h0.1" : ""}`).join("");
}

/* *series* are `{name, label, title, value(point)}`; they are stacked, or lines on a logarithmic
 * scale. `describe(points)` puts into words what is to be seen. */
export function timeChart({ title, series, stacked, format, describe, waiting }) {
  const id = `chart-${series[0].name}`;
  const desc = s("desc", { id: `${id}-desc` }, waiting);
  const grid = s("g", { class: "grid" });
  const shapes = series.map(({ name }) =>
    s("path", { class: stacked ? `of-${name}` : `line of-${name}` }));
  const cursor = s("line", { class: "cursor", y1: TOP, y2: FLOOR, visibility: "hidden" });
  const svg = s("svg", { class: "chart", role: "img", height: HEIGHT, width: "100%",
    "aria-labelledby": `${id}-title`, "aria-describedby": `${id}-desc` }, desc, grid, shapes, cursor);
  const empty = h("p", { class: "chart-empty" }, waiting);
  const moment = h("span", { class: "moment" }, "now");
  const values = series.map(() => h("td", { class: "number" }, "–"));
  const rows = series.map(({ name, label, title: hint }, index) =>
    h("tr", { title: hint }, h("th", { scope: "row" },
      h("span", { class: `key of-${name}`, "aria-hidden": "true" }), label), values[index]));
  const legend = h("table", { class: "legend" }, h("caption", null, moment), h("tbody", null, rows));
  const element = h("figure", { class: "panel chart-panel" },
    h("figcaption", { id: `${id}-title` }, title),
    h("div", { class: "chart-body" }, h("div", { class: "plot" }, svg, empty), legend));

  let points = [];
  let [width, pointer, span] = [0, null, SPANS[0]];
  const across = (at) => LEFT + (width - LEFT - RIGHT) * (1 - (points.at(-1).at - at) / span);
  const up = (scale, value) => (value == null ? null : FLOOR - scale.part(value) * (FLOOR - TOP));

  function drawGrid(scale) {
    const marks = scale.marks.map((mark) => {
      const y = round(up(scale, mark));
      return [s("line", { x1: LEFT, x2: width - RIGHT, y1: y, y2: y }),
        s("text", { x: LEFT - 8, y: y + 4, class: "at-end" }, format(mark))];
    });
    const last = points.at(-1).at;
    const times = AGES[span].map((ago) => s("text", {
      x: round(across(last - ago)), y: HEIGHT - 5,
      class: ago === 0 ? "at-end" : ago === span ? "at-start" : "at-middle",
    }, ago === 0 ? "now" : span > 120 ? `−${ago / 60} min` : `−${ago} s`));
    grid.replaceChildren(...marks.flat(), ...times);
  }

  function drawAreas() {
    const sums = points.map(() => 0);
    const tops = series.map(({ value }) => points.map((point, index) =>
      (sums[index] += value(point) ?? 0)));
    const scale = linear(Math.max(...sums));
    drawGrid(scale);
    let below = points.map(({ at }) => [across(at), FLOOR]);
    for (const [index, top] of tops.entries()) {
      const edge = points.map(({ at }, number) => [across(at), up(scale, top[number])]);
      shapes[index].setAttribute("d", `M${path(edge)}L${path(below.toReversed())}Z`);
      below = edge;
    }
  }

  function drawLines() {
    const drawn = series.map(({ value }) => points.map((point) => value(point) ?? null));
    const known = drawn.flat().filter((value) => value !== null && value > 0);
    empty.hidden = known.length > 0;
    if (!known.length) return grid.replaceChildren();
    const scale = logarithmic(known);
    drawGrid(scale);
    for (const [index, line] of drawn.entries()) {
      const pairs = points.map(({ at }, number) => [across(at), up(scale, line[number] || null)]);
      shapes[index].setAttribute("d", lineThrough(pairs));
    }
  }

  function tell() {
    const near = pointer !== null && points.length && points.reduce((best, point) =>
      Math.abs(across(point.at) - pointer) < Math.abs(across(best.at) - pointer) ? point : best);
    const point = near || points.at(-1);
    if (!point) return;
    setText(moment, near ? time(near.at) : "now");
    for (const [index, { value }] of series.entries()) setText(values[index], format(value(point)));
    cursor.setAttribute("visibility", near ? "visible" : "hidden");
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, round(across(point.at)));
  }

  function draw() {
    empty.hidden = points.length > 1;
    if (width === 0 || points.length < 2) return;
    const seen = points.at(-1).at - points[0].at;
    span = SPANS.find((each) => each >= seen) ?? SPAN;
    if (stacked) drawAreas();
    else drawLines();
    tell();
  }

  svg.addEventListener("pointermove", (event) => {
    pointer = event.clientX - svg.getBoundingClientRect().left;
    tell();
  });
  svg.addEventListener("pointerleave", () => {
    pointer = null;
    tell();
  });
  new ResizeObserver(([entry]) => {
    width = entry.contentRect.width;
    svg.setAttribute("viewBox", `0 0 ${Math.max(width, 1)} ${HEIGHT}`);
    draw();
  }).observe(svg);

  return {
    element,
    update(latest) {
      points = latest;
      draw();
      if (points.length > 1) setText(desc, describe(points));
    },
  };
}

/* How many took how long, as bars over the buckets, for each of *rows* `[name, label, times]`. */
export function bucketChart(bounds, rows, format) {
  const [slot, high] = [26, 34];
  const width = (bounds.length + 1) * slot;
  const used = rows.filter(([, , times]) => times.counts.some(Boolean));
  const bars = used.map(([name, label, { counts }]) => {
    const most = Math.max(...counts);
    const rects = counts.map((count, bucket) => {
      const height = count ? Math.max(1.5, (count / most) * high) : 0;
      return s("rect", { x: bucket * slot + 2, y: high - height, width: slot - 4, height });
    });
    const total = counts.reduce((sum, count) => sum + count, 0);
    const peak = counts.indexOf(most);
    const where = peak < bounds.length ? `up to ${format(bounds[peak])}` : "beyond all bounds";
    return h("div", { class: "bucket-row" }, h("span", null, label),
      s("svg", { class: `buckets of-${name}`, viewBox: `0 0 ${width} ${high + 1}`, role: "img",
        preserveAspectRatio: "none",
        "aria-label": `${label}: ${total} in all, most of them ${where}` },
      s("line", { x1: 0, x2: width, y1: high + 0.5, y2: high + 0.5 }), rects));
  });
  const marks = [0, 4, 8, 12, 16].filter((index) => index < bounds.length).map((index) =>
    s("text", { x: `${((index + 0.5) / (bounds.length + 1)) * 100}%`, y: 12, class: "at-middle" },
      `≤ ${format(bounds[index])}`));
  const axis = h("div", { class: "bucket-row", "aria-hidden": "true" }, h("span"),
    s("svg", { class: "buckets" }, marks));
  return h("div", { class: "bucket-chart" }, bars, axis);
}

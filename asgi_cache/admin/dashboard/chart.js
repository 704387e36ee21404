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
const up = (scale, value) => (value === null ? null : FLOOR - scale.part(value) * (FLOOR - TOP));
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

/* A chart of *series* `{name, label, title, value(point)}`: they are stacked, or lines on a
 * logarithmic scale. `describe(points)` puts into words what is to be seen. */
export class TimeChart {
  #points = [];
  #width = 0;
  #span = SPANS[0];
  #pointer = null;

  constructor({ title, series, stacked, format, describe, waiting }) {
    Object.assign(this, { series, stacked, format, describe });
    this.#makePlot(waiting);
    this.#makeLegend();
    const id = `chart-${series[0].name}`;
    const caption = h("figcaption", { id }, title);
    this.svg.setAttribute("aria-labelledby", id);
    this.desc.id = `${id}-desc`;
    this.svg.setAttribute("aria-describedby", this.desc.id);
    this.element = h("figure", { class: "panel chart-panel" }, caption,
      h("div", { class: "chart-body" }, h("div", { class: "plot" }, this.svg, this.empty),
        this.legend));
  }

  #makePlot(waiting) {
    this.desc = s("desc", null, waiting);
    this.grid = s("g", { class: "grid" });
    this.shapes = this.series.map(({ name }) =>
      s("path", { class: this.stacked ? `of-${name}` : `line of-${name}` }));
    this.cursor = s("line", { class: "cursor", y1: TOP, y2: FLOOR, visibility: "hidden" });
    const pointed = (x) => [(this.#pointer = x), this.#tell()];
    this.svg = s("svg", { class: "chart", role: "img", height: HEIGHT, width: "100%",
      pointermove: (event) => pointed(event.clientX - this.svg.getBoundingClientRect().left),
      pointerleave: () => pointed(null) }, this.desc, this.grid, this.shapes, this.cursor);
    this.empty = h("p", { class: "chart-empty" }, waiting);
    new ResizeObserver(([entry]) => {
      this.#width = entry.contentRect.width;
      this.svg.setAttribute("viewBox", `0 0 ${Math.max(this.#width, 1)} ${HEIGHT}`);
      this.#draw();
    }).observe(this.svg);
  }

  #makeLegend() {
    this.moment = h("span", null, "now");
    this.values = this.series.map(() => h("td", { class: "number" }, "–"));
    const rows = this.series.map(({ name, label, title }, index) =>
      h("tr", { title }, h("th", { scope: "row" },
        h("span", { class: `key of-${name}`, "aria-hidden": "true" }), label), this.values[index]));
    this.legend = h("table", { class: "legend" }, h("caption", null, this.moment),
      h("tbody", null, rows));
  }

  update(points) {
    this.#points = points;
    this.#draw();
    if (points.length > 1) setText(this.desc, this.describe(points));
  }

  #across(at) {
    return LEFT + (this.#width - LEFT - RIGHT) * (1 - (this.#points.at(-1).at - at) / this.#span);
  }

  #draw() {
    const points = this.#points;
    this.empty.hidden = points.length > 1;
    if (this.#width === 0 || points.length < 2) return;
    const seen = points.at(-1).at - points[0].at;
    this.#span = SPANS.find((each) => each >= seen) ?? SPAN;
    if (this.stacked) this.#drawAreas();
    else this.#drawLines();
    this.#tell();
  }

  #drawGrid(scale) {
    const marks = scale.marks.flatMap((mark) => {
      const y = round(up(scale, mark));
      return [s("line", { x1: LEFT, x2: this.#width - RIGHT, y1: y, y2: y }),
        s("text", { x: LEFT - 8, y: y + 4, class: "at-end" }, this.format(mark))];
    });
    const last = this.#points.at(-1).at;
    const written = (ago) => (this.#span > 120 ? `−${ago / 60} min` : `−${ago} s`);
    const times = AGES[this.#span].map((ago) => s("text", {
      x: round(this.#across(last - ago)), y: HEIGHT - 5,
      class: ago === 0 ? "at-end" : ago === this.#span ? "at-start" : "at-middle",
    }, ago === 0 ? "now" : written(ago)));
    this.grid.replaceChildren(...marks, ...times);
  }

  #drawAreas() {
    const sums = this.#points.map(() => 0);
    const tops = this.series.map(({ value }) => this.#points.map((point, index) =>
      (sums[index] += value(point))));
    const scale = linear(Math.max(...sums));
    this.#drawGrid(scale);
    let below = this.#points.map(({ at }) => [this.#across(at), FLOOR]);
    for (const [index, top] of tops.entries()) {
      const edge = below.map(([x], number) => [x, up(scale, top[number])]);
      const outline = [...edge, ...below.toReversed()];
      this.shapes[index].setAttribute("d", `M${path(outline)}Z`);
      below = edge;
    }
  }

  #drawLines() {
    const drawn = this.series.map(({ value }) => this.#points.map((point) => value(point) || null));
    const known = drawn.flat().filter((value) => value !== null);
    this.empty.hidden = known.length > 0;
    if (!known.length) return this.grid.replaceChildren();
    const scale = logarithmic(known);
    this.#drawGrid(scale);
    for (const [index, line] of drawn.entries()) {
      const pairs = this.#points.map(({ at }, number) =>
        [this.#across(at), up(scale, line[number])]);
      this.shapes[index].setAttribute("d", lineThrough(pairs));
    }
  }

  /* Write the figures of now, or of where the pointer is. */
  #tell() {
    if (!this.#points.length) return;
    const distance = ({ at }) => Math.abs(this.#across(at) - this.#pointer);
    const near = this.#pointer === null ? null
      : this.#points.reduce((best, each) => (distance(each) < distance(best) ? each : best));
    const point = near ?? this.#points.at(-1);
    setText(this.moment, near ? time(near.at) : "now");
    for (const [index, { value }] of this.series.entries()) {
      setText(this.values[index], this.format(value(point)));
    }
    this.cursor.setAttribute("visibility", near ? "visible" : "hidden");
    for (const end of ["x1", "x2"]) this.cursor.setAttribute(end, round(this.#across(point.at)));
  }
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

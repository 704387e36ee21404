/* The last minutes, as this page has seen them: what came between one sample and the next. */

import { NO_COUNTS, countsOf, minus, quantileOf, sum } from "./counts.js";

export const SPAN = 300;

/* Seconds over which response times are looked at together: one second has too few of them. */
const SMOOTH = 10;

/* Seconds between the samples that have each route; they are larger. */
const STRIDE = 5;

/* Whether what is counted goes on: another worker, or one that began anew, counts for itself. */
const isSame = (later, earlier) =>
  later.process === earlier.process && later.uptime >= earlier.uptime;

export class History {
  #points = [];
  #samples = [];
  latest = null;

  get points() {
    return this.#points;
  }

  take(stats) {
    const routes = new Map(stats.routes.map((route) => [route.route, countsOf(route)]));
    const sample = { at: stats.at, stats, routes, total: sum([...routes.values()]) };
    const before = this.latest;
    if (before && stats.at <= before.at) return;
    if (before && !isSame(stats, before.stats)) this.#forget();
    else if (before) this.#note(sample, before);
    this.latest = sample;
    const last = this.#samples.at(-1);
    if (!last || sample.at - last.at >= STRIDE) this.#samples.push({ ...sample, stats: null });
    this.#samples = this.#samples.filter(({ at }) => at > sample.at - 60 - STRIDE);
  }

  #forget() {
    [this.#points, this.#samples] = [[], []];
  }

  #note(sample, before) {
    const counts = minus(sample.total, before.total);
    const point = { at: sample.at, elapsed: sample.at - before.at, counts };
    this.#points.push(point);
    const kept = (at) => at > sample.at - SPAN;
    if (!kept(this.#points[0].at)) this.#points = this.#points.filter(({ at }) => kept(at));
    const { bounds } = sample.stats;
    const recent = this.over(SMOOTH, sample.at).counts;
    for (const name of ["cached", "app"]) {
      point[name] = [0.5, 0.99].map((part) => quantileOf(bounds, recent[name], part));
    }
  }

  /* All that came in the last *span* seconds, and how many seconds of them were seen. */
  over(span, now = this.latest?.at) {
    const recent = this.#points.filter(({ at }) => at > now - span);
    return {
      counts: sum(recent.map(({ counts }) => counts)),
      elapsed: recent.reduce((total, { elapsed }) => total + elapsed, 0),
    };
  }

  /* Counts by route: since the cache was made, or in the last minute. */
  routes(span) {
    if (!this.latest) return new Map();
    const { routes } = this.latest;
    const before = this.#samples[0]?.routes;
    if (span === "start" || !before) return routes;
    return new Map([...routes].map(([route, counts]) =>
      [route, minus(counts, before.get(route) ?? NO_COUNTS)]));
  }
}

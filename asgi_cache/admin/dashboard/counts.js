/* What follows from counts: the same figures as the server's own, but for any span of time. */

/* In the order in which they are stacked: from what costs the app nothing to what it does alone. */
export const RESULTS = [
  ["hit", "answered from the store, fresh"],
  ["stale", "answered from the store, stale"],
  ["collapsed", "answered by another request’s run of the app"],
  ["revalidated", "the app said that what is stored is still good"],
  ["miss", "answered by the app, stored"],
  ["uncacheable", "answered by the app, not stored"],
  ["bypass", "answered by the app, past the store"],
  ["passed", "left to the app untouched"],
  ["refused", "504, as the client wants no answer from the app"],
  ["failed", "the app raised, or the client left"],
];

export const TIMES = ["cached", "forwarded", "app"];

const NO_TIMES = { counts: [], sum: 0 };

const totalOf = (counts) => Object.values(counts ?? {}).reduce((sum, count) => sum + count, 0);

export const countOf = (times) => totalOf(times.counts);

/* The counts of one route, with its results summed over the statuses. */
export function countsOf(route) {
  const results = {};
  for (const [name] of RESULTS) results[name] = totalOf(route.requests[name]);
  const times = Object.fromEntries(TIMES.map((name) => [name, route[name] ?? NO_TIMES]));
  return { results, ...times, bytes: route.bytes_served, saved: savedOf(times) };
}

function combine(one, other, both) {
  const results = {};
  for (const [name] of RESULTS) results[name] = both(one.results[name], other.results[name]);
  const combined = { results, bytes: both(one.bytes, other.bytes) };
  for (const name of TIMES) {
    const length = Math.max(one[name].counts.length, other[name].counts.length);
    combined[name] = {
      counts: Array.from({ length }, (_, bucket) =>
        both(one[name].counts[bucket] ?? 0, other[name].counts[bucket] ?? 0)),
      sum: both(one[name].sum, other[name].sum),
    };
  }
  return combined;
}

export const NO_COUNTS = countsOf({ requests: {}, bytes_served: 0 });

export const plus = (one, other) =>
  ({ ...combine(one, other, (a, b) => a + b), saved: one.saved + other.saved });

/* What came between two samples. A process that has gone takes its counts along; that is no
 * negative number of requests. */
export function minus(later, earlier) {
  const between = combine(later, earlier, (a, b) => Math.max(0, a - b));
  return { ...between, saved: savedOf(between) };
}

export const sum = (every) => every.reduce(plus, NO_COUNTS);

export const requestsOf = (counts) => totalOf(counts.results);

/* The part answered from the store, of what is the cache's business. */
export function hitRatioOf({ results }) {
  const asked = totalOf(results) - results.passed;
  return asked > 0 ? (results.hit + results.stale) / asked : null;
}

/* Seconds that clients would have waited longer, had the app made each answer anew. */
function savedOf({ cached, app }) {
  const runs = countOf(app);
  return runs ? Math.max(0, (app.sum / runs) * countOf(cached) - cached.sum) : 0;
}

/* The seconds that *part* of them did not exceed, taken to be spread evenly in each bucket. */
export function quantileOf(bounds, { counts }, part) {
  const rank = part * totalOf(counts);
  if (rank === 0) return null;
  let [passed, lower] = [0, 0];
  for (const [bucket, bound] of bounds.entries()) {
    const here = counts[bucket] ?? 0;
    if (here && passed + here >= rank) return lower + ((bound - lower) * (rank - passed)) / here;
    [passed, lower] = [passed + here, bound];
  }
  return lower;
}

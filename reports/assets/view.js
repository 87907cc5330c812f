// Which part of the run is shown, which operations are filtered out, and how times read. All panels share one
// view.

const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;

// The closest zoom, in nanoseconds: well below the simulator's tick.
const SHORTEST_SPAN = 100_000;

const view = {
  from: 0,
  until: run.end,
  hiddenKinds: new Set(),
  hiddenOutcomes: new Set(),
  hiddenLanes: new Set(),
  dimOthers: run.highlightedIds.size > 0,
  hovered: null,
  selected: null,
  brush: null,
  version: 0,
};

const viewListeners = [];
let redrawPending = false;

// What is drawn anew: everything after the range, a filter or the colours changed, and only what lies over
// the plots (the pointer's operation, the chosen one, the range being dragged) after anything else.
function viewChanged() {
  view.version += 1;
  overlayChanged();
}

// Calls every listener once before the next frame, however often something changes until then.
function overlayChanged() {
  if (redrawPending) return;
  redrawPending = true;
  requestAnimationFrame(() => {
    redrawPending = false;
    for (const listener of viewListeners) listener();
  });
}

function showRange(from, until) {
  const span = Math.min(Math.max(until - from, Math.min(SHORTEST_SPAN, run.end)), run.end);
  const middle = (from + until) / 2;
  view.from = Math.min(Math.max(middle - span / 2, 0), run.end - span);
  view.until = view.from + span;
  viewChanged();
}

// Shrinks the span to `factor` of itself and keeps `anchor` where it is on the screen.
function zoomBy(factor, anchor = (view.from + view.until) / 2) {
  showRange(anchor - (anchor - view.from) * factor, anchor + (view.until - anchor) * factor);
}

function panBy(fractionOfSpan) {
  const shift = (view.until - view.from) * fractionOfSpan;
  showRange(view.from + shift, view.until + shift);
}

function isShown(operation) {
  return (
    !view.hiddenKinds.has(operation.kind) &&
    !view.hiddenOutcomes.has(operation.outcome) &&
    !view.hiddenLanes.has(operation.lane)
  );
}

function isInView(operation) {
  return operation.invoked <= view.until && operation.until >= view.from && isShown(operation);
}

function countText(value) {
  return value.toLocaleString("en-US");
}

function othersAreDimmed() {
  return view.dimOthers && run.highlighted.length > 0;
}

function shownLanes() {
  return run.lanes.map((name, lane) => ({ name, lane })).filter(({ lane }) => !view.hiddenLanes.has(lane));
}

// Steps of 1, 2 or 5 times a power of ten, so that about `count` of them fit into `span`.
function niceStep(span, count) {
  const rough = span / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? 10 * power;
}

function instantText(ns, decimals = 6) {
  return `${(ns / NS_PER_S).toFixed(decimals)} s`;
}

function bytesText(bytes) {
  const units = ["B", "KiB", "MiB", "GiB"];
  const unit = Math.min(Math.max(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), 0), 3);
  const value = bytes / 1024 ** unit;
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${units[unit]}`;
}

function durationText(ns) {
  if (ns < 1000) return `${ns} ns`;
  const [unit, name] = ns < NS_PER_MS ? [1000, "µs"] : ns < NS_PER_S ? [NS_PER_MS, "ms"] : [NS_PER_S, "s"];
  const value = ns / unit;
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${name}`;
}

// Latency by kind on a logarithmic scale, on the time axis of the lanes.

const PLOT_TOP = 8;

// How far, in pixels, the pointer may be from a point that it names.
const REACH = 8;

// One scale for all kinds, so that their plots compare: the decimal logarithms of the shortest and the
// longest latency of the run in nanoseconds, with some air, and at least one power of ten apart.
const latencyScale = { from: 6, until: 7 };

function scaleLatency() {
  let least = Infinity;
  let greatest = 0;
  for (const { invoked, completed } of run.operations) {
    if (completed === null || completed <= invoked) continue;
    least = Math.min(least, completed - invoked);
    greatest = Math.max(greatest, completed - invoked);
  }
  if (greatest === 0) return;
  Object.assign(latencyScale, logarithms(least, greatest));
}

function logarithms(least, greatest) {
  const from = Math.log10(Math.max(least, 1)) - 0.15;
  const until = Math.log10(Math.max(greatest, 1)) + 0.15;
  const missing = Math.max(1 - (until - from), 0);
  return { from: from - missing / 2, until: until + missing / 2 };
}

for (const canvas of document.querySelectorAll("canvas[data-plot=latency]")) {
  const kinds = new Set(JSON.parse(canvas.dataset.kinds));
  let all = null;
  const operations = () => {
    if (run.operations.length === 0) return [];
    all ??= kinds.size === 1 ? (run.ofKind.get([...kinds][0]) ?? []) : run.byTime.filter(({ kind }) => kinds.has(kind));
    return all;
  };
  new Panel(canvas, {
    draw: (panel) => drawLatency(panel, operations(), kinds),
    drawOver: (panel) => ringChosen(panel, kinds),
    find: (panel, x, y) => findPoint(panel, operations(), x, y),
  });
}

function latencyY(panel, ns) {
  const { from, until } = latencyScale;
  const fraction = (Math.log10(Math.max(ns, 1)) - from) / (until - from);
  return panel.bottom - Math.max(fraction, 0) * (panel.bottom - PLOT_TOP);
}

function drawLatency(panel, operations, kinds) {
  const { context } = panel;
  for (const ns of logarithmicTicks(latencyScale)) {
    const y = latencyY(panel, ns);
    context.strokeStyle = colors.grid;
    line(context, panel.left, y, panel.right, y);
    context.fillStyle = colors.muted;
    panel.label(roundText(ns), Math.min(y, panel.bottom - 5));
  }
  panel.clipped(() => {
    const painted = new Uint8Array(Math.ceil(panel.width) * Math.ceil(panel.tall));
    for (const outcome of OUTCOMES) {
      context.fillStyle = context.strokeStyle = colors[outcome];
      context.globalAlpha = othersAreDimmed() ? 0.35 : outcome === "ok" ? 0.65 : 1;
      for (const operation of operations) {
        if (operation.invoked > view.until) break;
        if (operation.outcome !== outcome || operation.invoked < view.from || !isShown(operation)) continue;
        if (operation.completed === null) continue;
        const point = pointOf(panel, operation);
        if (outcome === "ok") {
          // Points that would paint the same pixels are drawn once.
          const pixel = Math.round(point.y) * Math.ceil(panel.width) + Math.round(point.x);
          if (painted[pixel] === 1) continue;
          painted[pixel] = 1;
        }
        drawPoint(context, point, outcome);
      }
    }
    context.globalAlpha = 1;
    for (const operation of run.highlighted) {
      if (kinds.has(operation.kind) && operation.completed !== null && isShown(operation)) ring(panel, operation, colors.bad);
    }
  });
}

function pointOf(panel, operation) {
  return { x: panel.x(operation.invoked), y: latencyY(panel, operation.until - operation.invoked) };
}

function ring(panel, operation, color) {
  const { context } = panel;
  const { x, y } = pointOf(panel, operation);
  context.strokeStyle = color;
  context.lineWidth = 2;
  context.beginPath();
  context.arc(x, y, 6, 0, 2 * Math.PI);
  context.stroke();
  context.lineWidth = 1;
}

function ringChosen(panel, kinds) {
  for (const operation of [view.hovered, view.selected]) {
    if (operation && kinds.has(operation.kind) && operation.completed !== null && isShown(operation)) {
      ring(panel, operation, colors.text);
    }
  }
}

function drawPoint(context, { x, y }, outcome) {
  if (outcome === "ok") {
    context.fillRect(x - 1.5, y - 1.5, 3, 3);
  } else if (outcome === "failed") {
    cross(context, x, y, 3.5, 1.5);
  } else {
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(x, y - 4);
    context.lineTo(x + 4, y + 3.5);
    context.lineTo(x - 4, y + 3.5);
    context.closePath();
    context.stroke();
    context.lineWidth = 1;
  }
}

// Powers of ten inside the scale, thinned out where they are many, and 2 and 5 times them where they are few.
function logarithmicTicks({ from, until }) {
  const every = Math.ceil((until - from) / 5);
  const factors = until - from <= 2 ? [1, 2, 5] : [1];
  const ticks = [];
  for (let power = Math.floor(from); power <= until; power += every) {
    for (const factor of factors) {
      const ns = factor * 10 ** power;
      if (Math.log10(ns) >= from && Math.log10(ns) <= until) ticks.push(ns);
    }
  }
  return ticks;
}

function roundText(ns) {
  const units = ["ns", "µs", "ms", "s"];
  const unit = Math.min(Math.max(Math.floor(Math.log10(ns) / 3 + 1e-9), 0), 3);
  return `${Number((ns / 1000 ** unit).toPrecision(3))} ${units[unit]}`;
}

function findPoint(panel, operations, x, y) {
  let best = null;
  let bestDistance = REACH;
  for (const operation of operations) {
    if (operation.invoked > view.until) break;
    if (operation.completed === null || operation.invoked < view.from || !isShown(operation)) continue;
    const point = pointOf(panel, operation);
    const distance = Math.hypot(point.x - x, point.y - y);
    if (distance < bestDistance) {
      best = operation;
      bestDistance = distance;
    }
  }
  return best && { operation: best };
}

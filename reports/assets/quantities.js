// Quantities over time, on the time axis of the lanes: what the broker held, and how many operations ended a second.

const QUANTITIES = {
  keys: { samples: run.key_count, words: (value) => `${countText(value)} keys`, tick: countText },
  sessions: { samples: run.session_count, words: (value) => `${countText(value)} sessions`, tick: countText },
  memory: { samples: run.memory, words: bytesText, tick: bytesText, binary: true },
};

for (const canvas of document.querySelectorAll("canvas[data-plot]:not([data-plot=latency])")) {
  const { plot } = canvas.dataset;
  const quantity = QUANTITIES[plot];
  new Panel(
    canvas,
    plot === "throughput"
      ? { draw: drawThroughput, find: findInterval }
      : { draw: (panel) => drawSteps(panel, quantity), find: (panel, x) => findSample(panel, quantity, x) },
  );
}

// Draws the axis of values and returns what maps a value to its place.
function valueAxis(panel, greatest, { tick, binary }) {
  const { context } = panel;
  const step = binary ? binaryStep(greatest, 3) : Math.max(niceStep(Math.max(greatest, 1), 3), 1);
  const ceiling = Math.max(Math.ceil(greatest / step), 1) * step;
  const y = (value) => panel.bottom - (value / ceiling) * (panel.bottom - PLOT_TOP);
  for (let value = 0; value <= ceiling; value += step) {
    context.strokeStyle = colors.grid;
    line(context, panel.left, y(value), panel.right, y(value));
    context.fillStyle = colors.muted;
    panel.label(tick(value), Math.min(y(value), panel.bottom - 5));
  }
  return y;
}

// A power of two, so that ticks are round in KiB and MiB.
function binaryStep(span, count) {
  return 2 ** Math.max(Math.ceil(Math.log2(Math.max(span, 1) / count)), 0);
}

function notRecorded(panel) {
  const { context } = panel;
  context.fillStyle = colors.muted;
  context.textAlign = "left";
  context.fillText("not recorded", panel.left + 8, (panel.bottom + PLOT_TOP) / 2);
}

function drawSteps(panel, quantity) {
  const { context } = panel;
  const { samples } = quantity;
  const y = valueAxis(panel, samples.reduce((most, [, value]) => Math.max(most, value), 0), quantity);
  if (samples.length === 0) return notRecorded(panel);
  panel.clipped(() => {
    const outlinePath = new Path2D();
    samples.forEach(([at, value], index) => {
      if (index === 0) outlinePath.moveTo(panel.x(at), y(value));
      else outlinePath.lineTo(panel.x(at), y(samples[index - 1][1]));
      outlinePath.lineTo(panel.x(at), y(value));
    });
    outlinePath.lineTo(panel.x(run.end), y(samples[samples.length - 1][1]));
    const area = new Path2D(outlinePath);
    area.lineTo(panel.x(run.end), panel.bottom);
    area.lineTo(panel.x(samples[0][0]), panel.bottom);
    context.globalAlpha = 0.16;
    context.fillStyle = colors.accent;
    context.fill(area);
    context.globalAlpha = 1;
    context.strokeStyle = colors.accent;
    context.lineWidth = 1.75;
    context.stroke(outlinePath);
    context.lineWidth = 1;
  });
}

function findSample(panel, { samples, words }, x) {
  const at = panel.timeAt(x);
  const sample = samples.findLast(([since]) => since <= at);
  return sample ? { words: words(sample[1]), lines: [`since ${instantText(sample[0])}`] } : null;
}

// A bar for each interval: answered from below, and above it what failed and what is unknown.
function drawThroughput(panel) {
  const { context } = panel;
  const { interval_ns: interval, ...counts } = run.throughput;
  const totals = counts.ok.map((ok, index) => ok + counts.failed[index] + counts.unknown[index]);
  const perSecond = NS_PER_S / Math.max(interval, 1);
  const greatest = totals.reduce((most, total) => Math.max(most, total), 0) * perSecond;
  const y = valueAxis(panel, greatest, { tick: countText });
  if (totals.length === 0) return notRecorded(panel);
  panel.clipped(() => {
    totals.forEach((total, index) => {
      const from = panel.x(index * interval);
      const until = panel.x((index + 1) * interval);
      if (until < panel.left || from > panel.right) return;
      const gap = until - from > 4 ? 1 : 0;
      let below = 0;
      for (const outcome of OUTCOMES) {
        const value = counts[outcome][index] * perSecond;
        context.fillStyle = colors[outcome];
        context.fillRect(from, y(below + value), until - from - gap, y(below) - y(below + value));
        below += value;
      }
    });
  });
}

function findInterval(panel, x) {
  const { interval_ns: interval, ...counts } = run.throughput;
  const index = Math.floor(panel.timeAt(x) / Math.max(interval, 1));
  if (!(index in counts.ok)) return null;
  const rate = (count) => countText(Math.round((count * NS_PER_S) / interval));
  const total = OUTCOMES.reduce((sum, outcome) => sum + counts[outcome][index], 0);
  return {
    words: `${rate(total)} operations per second`,
    lines: [
      OUTCOMES.map((outcome) => `${rate(counts[outcome][index])} ${outcome}`).join(", "),
      `${instantText(index * interval, 3)} to ${instantText((index + 1) * interval, 3)}`,
    ],
  };
}

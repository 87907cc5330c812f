// One lane per client, its operations as bars. An outcome has a colour and a shape: ok fills its row, failed
// fills the lower half below a cross, unknown is hollow, hatched and open to the right.

const STRIP_ROW = 18;
const LANE_GAP = 8;

// A bar narrower than this, in pixels, has no room for its pattern.
const PATTERN_WIDTH = 5;

const lanesCanvas = document.getElementById("lanes");
const LANE_HEIGHT = Number(lanesCanvas.dataset.laneHeight);
const STRIP_ROWS = Number(lanesCanvas.dataset.nameRows);

const lanesPanel = new Panel(lanesCanvas, {
  height: () => laneTop(Math.max(shownLanes().length, 1)) + AXIS_HEIGHT,
  draw: drawLanes,
  drawOver: outlineChosen,
  find: findInLanes,
});

function laneTop(index) {
  return STRIP_ROWS * STRIP_ROW + 6 + index * LANE_HEIGHT;
}

function drawLanes(panel) {
  const { context } = panel;
  const indexOfLane = lanePositions();
  for (const { name, lane } of shownLanes()) {
    const top = laneTop(indexOfLane.get(lane));
    context.fillStyle = colors.lane;
    context.fillRect(panel.left, top + LANE_GAP / 2, panel.right - panel.left, LANE_HEIGHT - LANE_GAP);
    context.fillStyle = colors.text;
    panel.label(name, top + LANE_HEIGHT / 2);
  }
  panel.clipped(() => {
    drawStrip(panel);
    // What is rare and tells most is drawn last, so that nothing hides it.
    for (const operations of run.byOutcome) drawOperations(panel, indexOfLane, operations);
    for (const operation of run.highlighted) {
      if (!isInView(operation)) continue;
      const bar = barOf(panel, operation, indexOfLane);
      context.fillStyle = context.strokeStyle = colors[operation.outcome];
      drawBar(context, bar, operation.outcome);
      outline(panel, bar, colors.bad);
      drawPointer(context, bar);
    }
  });
  // Not clipped, so that a mark at the very edge is whole.
  for (const event of run.sessions) {
    if (!indexOfLane.has(event.lane) || event.at < view.from || event.at > view.until) continue;
    drawSessionEvent(panel, event, laneTop(indexOfLane.get(event.lane)));
  }
}

function outlineChosen(panel) {
  const indexOfLane = lanePositions();
  for (const operation of [view.hovered, view.selected]) {
    if (operation && isInView(operation)) outline(panel, barOf(panel, operation, indexOfLane), colors.text);
  }
}

function lanePositions() {
  return new Map(shownLanes().map(({ lane }, index) => [lane, index]));
}

function barOf(panel, operation, indexOfLane) {
  const rows = run.rows[operation.lane];
  const height = (LANE_HEIGHT - LANE_GAP - 4) / rows;
  const x = panel.x(operation.invoked);
  return {
    x,
    y: laneTop(indexOfLane.get(operation.lane)) + LANE_GAP / 2 + 2 + operation.row * height,
    width: Math.max(panel.x(operation.until) - x, operation.highlighted ? 3 : 1),
    height: Math.max(height - (rows > 1 ? 1 : 0), 2),
  };
}

// Draws operations of one outcome, but for the highlighted ones.
function drawOperations(panel, indexOfLane, operations) {
  if (operations.length === 0) return;
  const { context } = panel;
  const { outcome } = operations[0];
  context.fillStyle = context.strokeStyle = colors[outcome];
  context.globalAlpha = othersAreDimmed() ? 0.28 : 1;
  // Neighbours that would paint the same pixels are drawn once.
  const paintedUntil = new Array(run.lanes.length * MOST_ROWS).fill(-Infinity);
  for (const operation of operations) {
    if (operation.invoked > view.until) break;
    if (operation.highlighted || !isInView(operation)) continue;
    const bar = barOf(panel, operation, indexOfLane);
    const row = operation.lane * MOST_ROWS + operation.row;
    if (bar.x + bar.width <= paintedUntil[row] + 0.5) continue;
    paintedUntil[row] = bar.x + bar.width;
    drawBar(context, bar, outcome);
  }
  context.globalAlpha = 1;
}

function drawBar(context, { x, y, width, height }, outcome) {
  const wide = width >= PATTERN_WIDTH;
  if (outcome === "ok") {
    // A hairline between bars that touch, where there is room for one.
    context.fillRect(x, y, wide ? width - 0.75 : width, height);
  } else if (outcome === "failed") {
    context.fillRect(x, y + height / 2, width, height / 2);
    const arm = Math.min(height / 5, 3.5);
    cross(context, x + Math.min(width / 2, 6), y + height / 4, arm, 1.5);
  } else {
    context.beginPath();
    context.moveTo(x + width, y + 0.5);
    context.lineTo(x + 0.5, y + 0.5);
    context.lineTo(x + 0.5, y + height - 0.5);
    context.lineTo(x + width, y + height - 0.5);
    context.lineWidth = wide ? 1.4 : 1;
    context.stroke();
    if (wide) hatch(context, x, y, width, height);
    context.lineWidth = 1;
  }
}

function hatch(context, x, y, width, height) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.beginPath();
  const first = Math.max(x - height, -height);
  const last = Math.min(x + width, context.canvas.width);
  for (let start = first - (first % 6); start < last; start += 6) {
    context.moveTo(start, y + height);
    context.lineTo(start + height, y);
  }
  context.globalAlpha *= 0.75;
  context.stroke();
  context.restore();
}

function cross(context, x, y, arm, width) {
  context.lineWidth = width;
  line(context, x - arm, y - arm, x + arm, y + arm);
  line(context, x - arm, y + arm, x + arm, y - arm);
  context.lineWidth = 1;
}

function outline({ context }, { x, y, width, height }, color) {
  context.strokeStyle = color;
  context.lineWidth = 2;
  context.strokeRect(x - 2, y - 2, width + 4, height + 4);
  context.lineWidth = 1;
}

// A triangle above a highlighted bar, since an outline around one pixel is easily missed.
function drawPointer(context, { x, y, width }) {
  const middle = x + width / 2;
  context.fillStyle = colors.bad;
  context.beginPath();
  context.moveTo(middle, y - 1);
  context.lineTo(middle - 5, y - 9);
  context.lineTo(middle + 5, y - 9);
  context.fill();
}

function drawSessionEvent(panel, event, top) {
  const { context } = panel;
  const x = panel.x(event.at);
  const y = top + LANE_HEIGHT - LANE_GAP / 2 - 4;
  if (event.change === "lost") {
    context.strokeStyle = colors.surface;
    cross(context, x, y, 4.5, 4.5);
    context.strokeStyle = colors.bad;
    cross(context, x, y, 4, 2);
    return;
  }
  context.beginPath();
  context.moveTo(x, y - 5);
  context.lineTo(x + 5, y);
  context.lineTo(x, y + 5);
  context.lineTo(x - 5, y);
  context.closePath();
  context.fillStyle = event.change === "resumed" ? colors.text : colors.surface;
  context.fill();
  context.strokeStyle = event.change === "resumed" ? colors.surface : colors.text;
  context.stroke();
}

// The names of faults and marks, each in the first row where it does not cover another; `toX` maps time to
// pixels. A name that finds no room is left out: the band stays, and the table of faults has the name.
function placeNames(panel, toX) {
  const names = [
    ...run.faults.map(({ label, planned, fired, healed }) =>
      fired === null
        ? { at: planned, until: planned, text: `${label} (never fired)` }
        : { at: fired, until: healed ?? run.end, text: label },
    ),
    ...run.marks.map(([at, text]) => ({ at, until: at, text })),
  ].sort((a, b) => a.at - b.at);
  const takenUntil = new Array(STRIP_ROWS).fill(-Infinity);
  const placed = [];
  for (const { at, until, text } of names) {
    if (toX(at) > panel.right || toX(until) < panel.left) continue;
    const width = panel.textWidth(text);
    const x = Math.max(Math.min(toX(at) + 4, panel.right - width - 2), panel.left + 4);
    const row = takenUntil.findIndex((taken) => taken < x);
    if (row < 0) continue;
    takenUntil[row] = x + width + 8;
    placed.push({ text, x, row });
  }
  return placed;
}

function drawStrip(panel) {
  const { context } = panel;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillStyle = colors.text;
  for (const { text, x, row } of placeNames(panel, (at) => panel.x(at))) {
    context.fillText(shortened(context, text, panel.right - x), x, (row + 0.5) * STRIP_ROW);
  }
}

function findInLanes(panel, x, y) {
  const lanes = shownLanes();
  const index = Math.floor((y - laneTop(0)) / LANE_HEIGHT);
  if (index < 0 || index >= lanes.length) return null;
  const { lane } = lanes[index];
  const near = (at) => Math.abs(panel.x(at) - x);
  const event = run.sessions.find((candidate) => candidate.lane === lane && near(candidate.at) <= 5);
  const eventY = laneTop(index) + LANE_HEIGHT - LANE_GAP / 2 - 4;
  if (event && Math.abs(y - eventY) <= 7) return { event };

  const indexOfLane = new Map([[lane, index]]);
  let best = null;
  let bestDistance = 5;
  for (const operation of run.byTime) {
    if (operation.invoked > view.until) break;
    if (operation.lane !== lane || !isInView(operation)) continue;
    const bar = barOf(panel, operation, indexOfLane);
    const aside = Math.max(bar.x - x, x - bar.x - bar.width, 0);
    const above = Math.max(bar.y - y, y - bar.y - bar.height, 0) / 3;
    const preference = operation.highlighted ? 1 : 0;
    if (aside + above - preference < bestDistance) {
      best = operation;
      bestDistance = aside + above - preference;
    }
  }
  return best && { operation: best };
}

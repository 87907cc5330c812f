// A canvas whose horizontal axis is the view's time range, with the fault bands, marks and grid that all
// panels share.

const RIGHT_MARGIN = 14;
const AXIS_HEIGHT = 20;
const LABEL_FONT = "12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

const panels = [];

let colors = readColors();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  colors = readColors();
  viewChanged();
});

function readColors() {
  const style = getComputedStyle(document.documentElement);
  const names = [
    ["text", "muted", "line", "accent", "bad", "surface"],
    ["ok", "failed", "unknown", "fault", "fault-tint", "lane", "grid"],
    ["kind-1", "kind-2", "kind-3", "kind-4", "kind-5", "kind-6"],
  ].flat();
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

class Panel {
  // `draw` paints what only a new view changes, `drawOver` what lies over it; `find(panel, x, y)` names what
  // is under the pointer. The canvas has its height from the page, unless `height` gives another.
  constructor(canvas, { height, draw, drawOver, find }) {
    this.canvas = canvas;
    const given = Number.parseFloat(canvas.style.height);
    this.height = height ?? (() => given);
    this.drawContent = draw;
    this.drawOver = drawOver ?? (() => {});
    this.find = find;
    this.base = document.createElement("canvas");
    this.drawnVersion = -1;
    this.isNear = true;
    this.top = 0;
    panels.push(this);
    viewListeners.push(() => this.draw());
    new ResizeObserver(() => {
      if (this.width !== undefined && this.width !== canvas.parentElement.clientWidth) viewChanged();
    }).observe(canvas.parentElement);
    new IntersectionObserver(
      ([entry]) => {
        this.isNear = entry.isIntersecting;
        if (this.isNear && this.drawnVersion !== view.version) this.draw();
      },
      { rootMargin: "200px" },
    ).observe(canvas);
    addEventListener("beforeprint", () => {
      this.isNear = true;
      this.draw();
    });
  }

  get left() {
    return this.width < 560 ? 62 : 104;
  }

  get right() {
    return this.width - RIGHT_MARGIN;
  }

  get bottom() {
    return this.tall - AXIS_HEIGHT;
  }

  x(ns) {
    return this.left + ((ns - view.from) / (view.until - view.from)) * (this.right - this.left);
  }

  timeAt(x) {
    const fraction = (x - this.left) / (this.right - this.left);
    return view.from + Math.min(Math.max(fraction, 0), 1) * (view.until - view.from);
  }

  textWidth(text) {
    this.context.font = LABEL_FONT;
    return this.context.measureText(text).width;
  }

  // What is far from the window is drawn once and then left until it comes near.
  draw() {
    if (!this.isNear && this.hasOperations) return;
    this.hasOperations = run.operations.length > 0;
    if (this.drawnVersion !== view.version) this.drawBase();
    this.drawnVersion = view.version;
    const { canvas, base } = this;
    canvas.style.height = `${this.tall}px`;
    if (canvas.width !== base.width) canvas.width = base.width;
    if (canvas.height !== base.height) canvas.height = base.height;
    this.context = canvas.getContext("2d");
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.context.clearRect(0, 0, canvas.width, canvas.height);
    this.context.drawImage(base, 0, 0);
    this.context.scale(this.density, this.density);
    this.clipped(() => {
      this.drawOver(this);
      this.drawBrush();
    });
  }

  drawBase() {
    const { base } = this;
    this.density = window.devicePixelRatio || 1;
    this.width = this.canvas.parentElement.clientWidth;
    this.context = base.getContext("2d");
    this.tall = this.height(this);
    base.width = Math.round(this.width * this.density);
    base.height = Math.round(this.tall * this.density);
    this.context.scale(this.density, this.density);
    this.context.font = LABEL_FONT;
    this.drawGrid();
    this.clipped(() => this.drawBands());
    this.drawContent(this);
    this.clipped(() => this.drawMarks());
  }

  // Runs `body` with drawing confined to the plot, between the labels on the left and the right edge.
  clipped(body) {
    const { context } = this;
    context.save();
    context.beginPath();
    context.rect(this.left, 0, this.right - this.left, this.bottom);
    context.clip();
    body();
    context.restore();
  }

  drawGrid() {
    const { context } = this;
    const step = niceStep(view.until - view.from, (this.right - this.left) / (this.width < 560 ? 80 : 110));
    const decimals = Math.min(Math.max(Math.ceil(9 - Math.log10(step) - 1e-9), 0), 9);
    context.strokeStyle = colors.grid;
    context.fillStyle = colors.muted;
    context.textBaseline = "middle";
    for (let tick = Math.ceil(view.from / step) * step; tick <= view.until; tick += step) {
      const x = this.x(tick);
      line(context, x, this.top, x, this.bottom);
      const label = instantText(tick, decimals);
      const half = context.measureText(label).width / 2;
      context.textAlign = "center";
      context.fillText(label, Math.min(x, this.width - half - 1), this.bottom + AXIS_HEIGHT / 2 + 2);
    }
    context.strokeStyle = colors.line;
    line(context, this.left, this.bottom, this.right, this.bottom);
  }

  drawBands() {
    const { context } = this;
    for (const fault of run.faults) {
      if (fault.fired === null) {
        context.strokeStyle = colors.fault;
        context.setLineDash([2, 4]);
        line(context, this.x(fault.planned), this.top, this.x(fault.planned), this.bottom);
        context.setLineDash([]);
        continue;
      }
      const from = this.x(fault.fired);
      const until = this.x(fault.healed ?? run.end);
      context.fillStyle = colors["fault-tint"];
      context.fillRect(from, this.top, Math.max(until - from, 1), this.bottom - this.top);
      context.strokeStyle = colors.fault;
      line(context, from, this.top, from, this.bottom);
      if (fault.healed !== null) line(context, until, this.top, until, this.bottom);
    }
  }

  drawMarks() {
    const { context } = this;
    context.strokeStyle = colors.text;
    context.setLineDash([5, 4]);
    for (const [at] of run.marks) line(context, this.x(at), this.top, this.x(at), this.bottom);
    context.setLineDash([]);
  }

  drawBrush() {
    if (view.brush === null) return;
    const [from, until] = view.brush.map((ns) => this.x(ns));
    this.context.globalAlpha = 0.18;
    this.context.fillStyle = colors.accent;
    this.context.fillRect(Math.min(from, until), 0, Math.abs(until - from), this.bottom);
    this.context.globalAlpha = 1;
  }

  label(text, y) {
    const { context } = this;
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillText(shortened(context, text, this.left - 10), this.left - 8, y);
  }
}

// Upright and level lines lie on whole pixels, and so are as thin as they can be.
function line(context, x1, y1, x2, y2) {
  if (x1 === x2) x1 = x2 = Math.floor(x1) + 0.5;
  if (y1 === y2) y1 = y2 = Math.floor(y1) + 0.5;
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

function shortened(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let length = text.length;
  while (length > 0 && context.measureText(`${text.slice(0, length)}…`).width > width) length -= 1;
  return `${text.slice(0, length)}…`;
}

// Pointer, keyboard, buttons and filters. Runs last: everything is defined, and the frame is drawn, first without operations, then
// with them.

const controls = document.getElementById("controls");
const range = document.getElementById("range");
const shown = document.getElementById("shown");

let writtenVersion = -1;
viewListeners.push(() => {
  if (writtenVersion === view.version) return;
  writtenVersion = view.version;
  range.textContent = `${instantText(view.from, 3)} to ${instantText(view.until, 3)}`;
  if (run.operations.length === 0) return;
  const count = run.operations.reduce((sum, operation) => sum + (isInView(operation) ? 1 : 0), 0);
  const all = run.operations.length;
  shown.textContent = count === all ? `${countText(all)} operations` : `${countText(count)} of ${countText(all)} operations`;
  showInView();
});
wireZoom();
wireFilters();
wireCanvases();
wireKeyboard();
inView.addEventListener("toggle", showInView);
showSelected();
viewChanged();
try {
  await readOperations();
} catch (error) {
  shown.textContent = "The operations cannot be read: this browser lacks DecompressionStream. report.json has them.";
  throw error;
}
wireButtons();
scaleLatency();
viewChanged();
// Tells a test when the operations were drawn, in milliseconds from the start of the page.
requestAnimationFrame(() => {
  shown.dataset.ready = String(performance.now());
});

function wireZoom() {
  const actions = {
    out: () => zoomBy(2),
    in: () => zoomBy(0.5),
    earlier: () => panBy(-0.5),
    later: () => panBy(0.5),
    whole: () => showRange(0, run.end),
  };
  for (const button of controls.querySelectorAll("button[data-action]")) {
    button.addEventListener("click", actions[button.dataset.action]);
  }
}

// Each filter's boxes, and what of an operation they stand for.
function wireFilters() {
  const filters = {
    kind: [view.hiddenKinds, (box) => box.dataset.name],
    outcome: [view.hiddenOutcomes, (box) => box.dataset.name],
    client: [view.hiddenLanes, (box) => Number(box.value)],
  };
  for (const group of controls.querySelectorAll("fieldset[data-filter]")) {
    const [hidden, valueOf] = filters[group.dataset.filter];
    const boxes = [...group.querySelectorAll("input")];
    const apply = () => {
      hidden.clear();
      for (const box of boxes) if (!box.checked) hidden.add(valueOf(box));
      viewChanged();
    };
    group.addEventListener("change", apply);
    for (const button of group.querySelectorAll("button[data-all]")) {
      button.addEventListener("click", () => {
        for (const box of boxes) box.checked = button.dataset.all === "true";
        apply();
      });
    }
  }
  const dim = document.getElementById("dim");
  dim?.addEventListener("change", () => {
    view.dimOthers = dim.checked;
    viewChanged();
  });
}

function wireCanvases() {
  for (const panel of panels) {
    const { canvas } = panel;
    let dragFrom = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      dragFrom = event.offsetX;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (dragFrom !== null && Math.abs(event.offsetX - dragFrom) > 4) {
        view.brush = [panel.timeAt(dragFrom), panel.timeAt(event.offsetX)];
        showTip(null);
        overlayChanged();
        return;
      }
      hover(panel, event.offsetX, event.offsetY);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (view.brush !== null) {
        const [from, until] = view.brush;
        view.brush = null;
        showRange(Math.min(from, until), Math.max(from, until));
      } else if (dragFrom !== null) {
        select(panel.find(panel, event.offsetX, event.offsetY)?.operation ?? null);
      }
      dragFrom = null;
    });
    canvas.addEventListener("pointercancel", () => {
      dragFrom = null;
      view.brush = null;
      overlayChanged();
    });
    canvas.addEventListener("pointerleave", () => {
      view.hovered = null;
      showTip(null);
      overlayChanged();
    });
    canvas.addEventListener("dblclick", () => showRange(0, run.end));
    canvas.addEventListener("wheel", (event) => wheel(panel, event), { passive: false });
  }
}

function hover(panel, x, y) {
  const found = x < panel.left || x > panel.right ? null : panel.find(panel, x, y);
  showTip(found, panel, x, y);
  const operation = found?.operation ?? null;
  if (operation === view.hovered) return;
  view.hovered = operation;
  overlayChanged();
}

// A plain wheel scrolls the page; only with Ctrl (which a pinch also sends) does it zoom, and sideways it
// moves.
function wheel(panel, event) {
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    zoomBy(2 ** (event.deltaY / 240), panel.timeAt(event.offsetX));
  } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault();
    panBy(event.deltaX / panel.width);
  }
}

function select(operation) {
  view.selected = operation;
  showSelected();
  overlayChanged();
}

// Chooses the next (+1) or previous (-1) operation that the filters show, and moves the view to it.
function step(direction) {
  const shown = run.byTime.filter(isShown);
  if (shown.length === 0) return;
  const current = shown.indexOf(view.selected);
  const first = shown.findIndex(isInView);
  const next = current < 0 ? Math.max(first, 0) : current + direction;
  const operation = shown[Math.min(Math.max(next, 0), shown.length - 1)];
  if (operation.invoked < view.from || operation.invoked > view.until) {
    const half = (view.until - view.from) / 2;
    showRange(operation.invoked - half, operation.invoked + half);
  }
  select(operation);
}

function wireKeyboard() {
  const actions = {
    ArrowLeft: () => panBy(-0.2),
    ArrowRight: () => panBy(0.2),
    "+": () => zoomBy(0.5),
    "=": () => zoomBy(0.5),
    "-": () => zoomBy(2),
    0: () => showRange(0, run.end),
    n: () => step(1),
    p: () => step(-1),
    Escape: () => select(null),
  };
  lanesPanel.canvas.addEventListener("keydown", (event) => {
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
}

function wireButtons() {
  const copy = document.getElementById("copy");
  const command = document.getElementById("command");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      copy.textContent = "Copied";
    } catch {
      // Without permission to write the clipboard, the selected text is one key press from it.
      getSelection().selectAllChildren(command);
      copy.textContent = "Selected";
    }
    setTimeout(() => {
      copy.textContent = "Copy";
    }, 2000);
  });
  for (const button of document.querySelectorAll("button.show")) {
    const positions = button.dataset.operations.split(" ").map(Number);
    const operations = positions.map((position) => run.operations[position]);
    button.addEventListener("click", () => {
      const from = Math.min(...operations.map((operation) => operation.invoked));
      const until = Math.max(...operations.map((operation) => operation.until));
      const margin = Math.max((until - from) * 0.15, SHORTEST_SPAN);
      showRange(from - margin, until + margin);
      select(operations[0]);
      document.getElementById("timeline-section").scrollIntoView({ behavior: "smooth" });
    });
  }
}

// Pointer, keyboard, buttons and filters. Runs last: everything is defined, and the first frame is asked for
// here.

const controls = document.getElementById("controls");
const range = element("output");

buildControls();
wireCanvases();
wireKeyboard();
wireButtons();
viewListeners.push(() => {
  range.textContent = `${instantText(view.from, 3)} to ${instantText(view.until, 3)}`;
});
let tableVersion = -1;
viewListeners.push(() => {
  if (tableVersion !== view.version) showInView();
  tableVersion = view.version;
});
inView.hidden = false;
inView.addEventListener("toggle", showInView);
showSelected();
viewChanged();

function buildControls() {
  const zoom = element("div", undefined, "zoom");
  const wholeRun = () => showRange(0, run.end);
  for (const [sign, name, action] of [
    ["−", "Zoom out", () => zoomBy(2)],
    ["+", "Zoom in", () => zoomBy(0.5)],
    ["←", "Earlier", () => panBy(-0.5)],
    ["→", "Later", () => panBy(0.5)],
    ["Whole run", "Show the whole run", wholeRun],
  ]) {
    const button = element("button", sign);
    button.type = "button";
    button.title = name;
    button.setAttribute("aria-label", name);
    button.addEventListener("click", action);
    zoom.append(button);
  }
  zoom.append(range);
  controls.append(zoom);
  controls.append(filter("Kind", run.kinds.map((kind) => [kind, kind]), view.hiddenKinds));
  controls.append(filter("Outcome", OUTCOMES.map((outcome) => [outcome, outcome]), view.hiddenOutcomes));
  controls.append(filter("Client", run.lanes.map((name, lane) => [name, lane]), view.hiddenLanes));
  if (run.highlighted.length > 0) {
    const box = checkbox("Dim all but the counter-example", view.dimOthers, (checked) => {
      view.dimOthers = checked;
    });
    controls.append(box);
  }
  controls.append(
    element("p", "Drag to zoom in, Ctrl and wheel zoom at the pointer, double-click for the whole run.", "hint"),
  );
  controls.hidden = false;
}

function filter(name, choices, hidden) {
  const group = element("fieldset");
  group.append(element("legend", name));
  for (const [text, value] of choices) {
    group.append(
      checkbox(text, true, (checked) => {
        if (checked) hidden.delete(value);
        else hidden.add(value);
      }),
    );
  }
  return group;
}

function checkbox(text, checked, change) {
  const label = element("label");
  const input = element("input");
  input.type = "checkbox";
  input.checked = checked;
  input.addEventListener("change", () => {
    change(input.checked);
    viewChanged();
  });
  label.append(input, text);
  return label;
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
  copy.hidden = false;
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
    button.hidden = false;
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

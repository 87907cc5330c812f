// What the pointer is on, the operation that was chosen, and the operations in view as a table. Text from the
// run only ever becomes a text node.

const MOST_TABLE_ROWS = 100;

const HINT = "Point at an operation to see it; click, or press N or P in the timeline, to keep it here.";

const tip = document.getElementById("tip");
const selectedBox = document.getElementById("selected");
const inView = document.getElementById("in-view");

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function requestText(operation) {
  return [operation.kind, operation.key, operation.argument, operation.condition]
    .filter((part) => part !== null && part !== "")
    .join(" ");
}

function tookText(operation) {
  const { invoked, completed } = operation;
  return completed === null ? "never completed" : durationText(completed - invoked);
}

// Title and lines that describe what a panel found under the pointer.
function describe(found) {
  if (found.operation) {
    const { operation } = found;
    return [
      requestText(operation),
      `${run.lanes[operation.lane]}, at ${instantText(operation.invoked)}, ${tookText(operation)}`,
      `${operation.outcome}: ${operation.learned}`,
    ];
  }
  if (found.event) {
    const words = {
      lost: "Connection lost",
      new: "Connected, new session",
      resumed: "Connected, session present",
    }[found.event.change];
    return [words, `${run.lanes[found.event.lane]}, at ${instantText(found.event.at)}`, found.event.reason];
  }
  return [found.words, ...found.lines];
}

function showTip(found, panel, x, y) {
  tip.hidden = !found;
  if (!found) return;
  const [title, ...lines] = describe(found);
  tip.replaceChildren(
    element("strong", title),
    ...lines.filter((words) => words !== "").map((words) => element("div", words)),
  );
  const chart = tip.parentElement.getBoundingClientRect();
  const canvas = panel.canvas.getBoundingClientRect();
  const left = canvas.left - chart.left + x + 14;
  tip.style.left = `${Math.max(Math.min(left, chart.width - tip.offsetWidth - 8), 8)}px`;
  tip.style.top = `${canvas.top - chart.top + y + 16}px`;
}

function showSelected() {
  const operation = view.selected;
  if (!operation) {
    selectedBox.replaceChildren(
      element("span", HINT, "note"),
    );
    return;
  }
  const facts = [
    ["Operation", operation.id],
    ["Client", run.lanes[operation.lane]],
    ["Request", requestText(operation)],
    ["Invoked", instantText(operation.invoked)],
    ["Completed", operation.completed === null ? "never" : instantText(operation.completed)],
    ["Took", tookText(operation)],
    ["Outcome", `${operation.outcome}: ${operation.learned}`],
    ["Version", operation.version],
  ];
  const list = element("dl");
  for (const [term, description] of facts) {
    if (description === null) continue;
    const pair = element("div");
    pair.append(element("dt", term), element("dd", description));
    list.append(pair);
  }
  selectedBox.replaceChildren(list);
}

function showInView() {
  if (!inView.open) return;
  const operations = run.byTime.filter(isInView);
  const table = element("table");
  const shown = Math.min(operations.length, MOST_TABLE_ROWS);
  table.append(element("caption", `The first ${shown} of ${operations.length} operations in view`));
  const head = element("tr");
  for (const [name, className] of [
    ["Client"],
    ["Request"],
    ["Invoked", "figures"],
    ["Took", "figures"],
    ["Outcome"],
  ]) {
    const cell = element("th", name, className);
    cell.scope = "col";
    head.append(cell);
  }
  const headRows = element("thead");
  headRows.append(head);
  const rows = element("tbody");
  for (const operation of operations.slice(0, shown)) {
    const row = element("tr");
    row.append(
      element("td", run.lanes[operation.lane]),
      element("td", requestText(operation)),
      element("td", instantText(operation.invoked), "figures"),
      element("td", tookText(operation), "figures"),
      element("td", `${operation.outcome}: ${operation.learned}`),
    );
    rows.append(row);
  }
  table.append(headRows, rows);
  const box = element("div", undefined, "scroll");
  box.append(table);
  document.getElementById("in-view-table").replaceChildren(box);
}

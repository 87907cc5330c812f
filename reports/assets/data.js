// The run's data as objects. The writer is src/html/data.rs. What decides the layout is there at once; operations have to be
// unpacked, and are there once `readOperations` is done.

const OUTCOMES = ["ok", "failed", "unknown"];

// A lane shows at most this many operations at once side by side; more share the last row.
const MOST_ROWS = 4;

const run = (() => {
  const head = JSON.parse(document.getElementById("run-data").textContent);
  return {
    ...head,
    highlightedIds: new Set(head.highlighted),
    rows: head.lanes.map(() => 1),
    operations: [],
    byTime: [],
    byOutcome: OUTCOMES.map(() => []),
    ofKind: new Map(),
    highlighted: [],
  };
})();

async function readOperations() {
  const raw = JSON.parse(await unpacked(document.getElementById("run-operations").textContent));
  const text = (index) => (index === null ? null : raw.texts[index]);
  run.operations = raw.operations.map(
    ([id, lane, kind, key, argument, condition, invoked, completed, outcome, learned, version], position) => ({
      position,
      id,
      lane,
      kind: text(kind),
      key: text(key),
      argument: text(argument),
      condition: text(condition),
      invoked,
      completed,
      until: completed ?? run.end,
      outcome: OUTCOMES[outcome],
      learned: text(learned),
      version: text(version),
      highlighted: run.highlightedIds.has(id),
      row: 0,
    }),
  );
  run.byTime = [...run.operations].sort((a, b) => a.invoked - b.invoked || a.position - b.position);
  run.byOutcome = OUTCOMES.map((outcome) => run.byTime.filter((operation) => operation.outcome === outcome));
  for (const operation of run.byTime) {
    if (!run.ofKind.has(operation.kind)) run.ofKind.set(operation.kind, []);
    run.ofKind.get(operation.kind).push(operation);
  }
  run.highlighted = run.operations.filter((operation) => operation.highlighted);
  placeInRows();
}

// Text that was packed by DEFLATE and written in base64.
async function unpacked(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).text();
}

// Gives each operation the first row of its lane that is free when it begins.
function placeInRows() {
  const busyUntil = run.lanes.map(() => []);
  for (const operation of run.byTime) {
    const rows = busyUntil[operation.lane];
    let row = rows.findIndex((until) => until <= operation.invoked);
    if (row < 0) row = Math.min(rows.length, MOST_ROWS - 1);
    operation.row = row;
    rows[row] = Math.max(rows[row] ?? 0, operation.until);
  }
  run.rows = busyUntil.map((rows) => Math.max(rows.length, 1));
}

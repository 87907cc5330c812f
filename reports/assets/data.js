// The run's data as objects. The writer is src/html/data.rs.

const OUTCOMES = ["ok", "failed", "unknown"];

// A lane shows at most this many operations at once side by side; more share the last row.
const MOST_ROWS = 4;

const run = (() => {
  const raw = JSON.parse(document.getElementById("run-data").textContent);
  const text = (index) => (index === null ? null : raw.texts[index]);
  const highlighted = new Set(raw.highlighted);
  const operations = raw.operations.map(
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
      until: completed ?? raw.end,
      outcome: OUTCOMES[outcome],
      learned: text(learned),
      version: text(version),
      highlighted: highlighted.has(id),
      row: 0,
    }),
  );
  const byTime = [...operations].sort((a, b) => a.invoked - b.invoked || a.position - b.position);
  return {
    ...raw,
    operations,
    byTime,
    byOutcome: OUTCOMES.map((outcome) => byTime.filter((operation) => operation.outcome === outcome)),
    rows: placeInRows(byTime, raw.lanes.length),
    kinds: [...new Set(operations.map((operation) => operation.kind))].sort(),
    highlighted: operations.filter((operation) => operation.highlighted),
  };
})();

// Gives each operation the first row of its lane that is free when it begins; returns the rows of each lane.
function placeInRows(byTime, lanes) {
  const busyUntil = Array.from({ length: lanes }, () => []);
  for (const operation of byTime) {
    const rows = busyUntil[operation.lane];
    let row = rows.findIndex((until) => until <= operation.invoked);
    if (row < 0) row = Math.min(rows.length, MOST_ROWS - 1);
    operation.row = row;
    rows[row] = Math.max(rows[row] ?? 0, operation.until);
  }
  return busyUntil.map((rows) => Math.max(rows.length, 1));
}

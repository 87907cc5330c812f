// Sorts each table by the heading that is clicked, and filters the runs by words.

// The number that a cell begins with, its thousands' commas and its unit aside; null for a cell of words.
const number = (text) => {
  const match = /^-?[\d,]+(\.\d+)?/.exec(text);
  return match ? Number(match[0].replaceAll(",", "")) : null;
};

const compare = (a, b) => {
  const [left, right] = [number(a), number(b)];
  if (left !== null && right !== null) return left - right;
  return a < b ? -1 : a > b ? 1 : 0;
};

const sort = (table, column, heading) => {
  const descends = heading.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", descends ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [row.cells[column].textContent.trim(), row]);
  // The sort is stable: of equal cells the order before stays.
  rows.sort(([a], [b]) => (descends ? compare(b, a) : compare(a, b)));
  body.append(...rows.map(([, row]) => row));
};

for (const table of document.querySelectorAll("table")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => sort(table, column, heading));
  });
}

const filter = document.getElementById("filter");
const shown = document.getElementById("shown");
const runs = document.querySelector("section[aria-labelledby=runs] tbody");
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of runs.rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    count += row.hidden ? 0 : 1;
  }
  shown.textContent = words.length ? `${count} of ${runs.rows.length}` : "";
});

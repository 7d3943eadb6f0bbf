// Tables: sort by a column, filter rows, show all, copy what is shown.
function cellValue(cell) {
  return cell.dataset.v === undefined ? cell.textContent : cell.dataset.v;
}

function compareCells(first, second, numeric) {
  const a = cellValue(first);
  const b = cellValue(second);
  if (!numeric) return a < b ? -1 : a > b ? 1 : 0;
  const x = first.dataset.v === undefined ? NaN : Number(a);
  const y = second.dataset.v === undefined ? NaN : Number(b);
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
  return x - y;
}

function sortTable(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const head = heads[column];
  const numeric = head.classList.contains("n");
  const before = head.getAttribute("aria-sort");
  const down = before ? before === "ascending" : numeric;
  for (const other of heads) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows];
  const sign = down ? -1 : 1;
  const absent = (row) => row.cells[column].textContent === "-" && row.cells[column].dataset.v === undefined;
  rows.sort((a, b) => {
    if (absent(a) || absent(b)) return absent(a) - absent(b);
    return sign * compareCells(a.cells[column], b.cells[column], numeric);
  });
  const atFirst = rows.filter((row) => !row.classList.contains("more")).length;
  rows.forEach((row, place) => row.classList.toggle("more", place >= atFirst));
  table.tBodies[0].append(...rows);
}

function filterTable(box, table, text) {
  const wanted = text.trim().toLowerCase();
  const rows = [...table.tBodies[0].rows];
  let shown = 0;
  for (const row of rows) {
    const all = [...row.cells].map((cell) => cell.textContent + " " + (cell.title || "")).join(" ").toLowerCase();
    row.hidden = wanted !== "" && !all.includes(wanted);
    if (!row.hidden) shown += 1;
  }
  table.classList.toggle("filtered", wanted !== "");
  box.querySelector(".count").textContent = wanted === "" ? "" : shown + " of " + rows.length + " rows match. ";
}

function shownRows(table) {
  const cut = table.classList.contains("short") && !table.classList.contains("filtered");
  return [...table.tBodies[0].rows].filter((row) => !row.hidden && !(cut && row.classList.contains("more")));
}

function tableMarkdown(table) {
  const escape = (text) => text.replace(/\\/g, "\\\\").replace(/[|<>`*_[\]]/g, (mark) => "\\" + mark);
  const heads = [...table.tHead.rows[0].cells];
  const line = (texts) => "| " + texts.join(" | ") + " |";
  return [
    line(heads.map((head) => escape(head.textContent.trim()))),
    line(heads.map((head) => (head.classList.contains("n") ? "---:" : "---"))),
    ...shownRows(table).map((row) => line([...row.cells].map((cell) => escape(cell.textContent)))),
  ].join("\n");
}

function tableCsv(table) {
  const quote = (text, numeric) => {
    const safe = !numeric && /^[=+\-@\t]/.test(text) && text !== "-" ? "'" + text : text;
    return /[",\n]/.test(safe) ? '"' + safe.replace(/"/g, '""') + '"' : safe;
  };
  const heads = [...table.tHead.rows[0].cells];
  const text = (cell) => {
    if (cell.textContent === "-") return "";
    const numeric = cell.classList.contains("n");
    return quote(numeric ? cell.textContent.replace(/,/g, "") : cellValue(cell), numeric);
  };
  const rows = shownRows(table).map((row) => [...row.cells].map(text).join(","));
  return [heads.map((head) => quote(head.textContent.trim(), false)).join(","), ...rows].join("\n") + "\n";
}

function startTables() {
  for (const box of document.querySelectorAll(".data")) {
    const table = box.querySelector("table");
    if (!table) continue;
    [...table.tHead.rows[0].cells].forEach((head, column) =>
      head.querySelector("button").addEventListener("click", () => sortTable(table, column)),
    );
    box.querySelector(".filter").addEventListener("input", (event) => filterTable(box, table, event.target.value));
    for (const button of box.querySelectorAll("[data-copy]")) {
      const markdown = button.dataset.copy === "md";
      button.addEventListener("click", () =>
        copyText(markdown ? tableMarkdown(table) : tableCsv(table), markdown ? "Markdown" : "CSV"),
      );
    }
    const more = box.querySelector("[data-more]");
    if (!more) continue;
    const all = more.textContent;
    more.addEventListener("click", () => {
      const short = table.classList.toggle("short");
      more.setAttribute("aria-expanded", String(!short));
      more.textContent = short ? all : "Show fewer";
    });
  }
}

// Elements and texts. Whatever comes from outside becomes text, never markup.

const byId = (id) => document.getElementById(id);

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== "") made.setAttribute(name, value);
  }
  made.append(...children.map((each) => (each instanceof Node ? each : String(each))));
  return made;
}

function fill(id, ...children) { byId(id).replaceChildren(...children); }

function facts(id, pairs) {
  fill(id, ...pairs.flatMap(([name, value, kind]) => [
    element("dt", {}, name), element("dd", { class: kind }, value),
  ]));
}

// A line through values, the newest on the right; gaps (null) are left out.
function sparkline(values, title) {
  const shape = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const svg = shape("svg", {
    viewBox: "0 0 100 20", preserveAspectRatio: "none", role: "img", "aria-label": title,
  });
  const known = values.filter((each) => each !== null);
  if (known.length > 1) {
    const top = Math.max(...known) || 1, step = 100 / (values.length - 1);
    const points = values.map((each, i) =>
      each === null ? "" : `${(i * step).toFixed(1)},${(19 - 18 * each / top).toFixed(1)}`);
    svg.append(shape("polyline", { points: points.filter(Boolean).join(" ") }));
  }
  return svg;
}

// `columns` are {title, value(row), text(row), kind(row), wide}; a click on a title sorts by it.
class Table {
  constructor(id, columns, sortedBy, none) {
    this.columns = columns; this.none = none;
    this.by = sortedBy; this.isDown = columns[sortedBy].isDown !== false;
    this.rows = [];
    this.head = byId(id).tHead; this.body = byId(id).tBodies[0];
    this.head.append(element("tr", {}, ...columns.map((column, i) => {
      const title = element("button", { type: "button" }, column.title);
      title.addEventListener("click", () => this.sortBy(i));
      return element("th", { class: column.wide ? "wide" : "" }, title);
    })));
  }

  sortBy(index) {
    this.isDown = index === this.by ? !this.isDown : this.columns[index].isDown !== false;
    this.by = index;
    this.show(this.rows);
  }

  show(rows) {
    this.rows = rows;
    const value = this.columns[this.by].value, turn = this.isDown ? -1 : 1;
    const sorted = [...rows].sort((a, b) => {
      const x = value(a), y = value(b);
      return turn * (x < y ? -1 : x > y ? 1 : 0);
    });
    [...this.head.rows[0].cells].forEach((cell, i) => {
      if (i === this.by) cell.setAttribute("aria-sort", this.isDown ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    const nothing = element("tr", {},
      element("td", { class: "none", colspan: this.columns.length }, this.none));
    this.body.replaceChildren(...(sorted.length ? sorted.map((row) => this.line(row)) : [nothing]));
  }

  line(row) {
    return element("tr", {}, ...this.columns.map((column) => element("td", {
      class: [column.wide ? "wide" : "", column.kind ? column.kind(row) : ""].join(" ").trim(),
    }, column.text(row))));
  }
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds === 0) return "0 s";
  const size = Math.abs(seconds);
  if (size >= 120) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (size >= 1) return `${seconds.toFixed(size < 10 ? 2 : 1)} s`;
  return `${(seconds * 1000).toFixed(size < 0.01 ? 1 : 0)} ms`;
}

function bounded(found) {
  return found ? `${found.bound}${found.bound ? " " : ""}${duration(found.seconds)}` : "–";
}

function number(value) {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en");
  return value.toFixed(value < 10 ? 2 : 1);
}

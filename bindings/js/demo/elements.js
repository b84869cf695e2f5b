/** An element with properties and children. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** A table that scrolls, also by keyboard. Columns that end in # hold numbers. */
export function table(name, columns, rows) {
  const kind = (column) =>
    columns[column].endsWith("#") ? "number" : rows[0]?.[column] instanceof Element ? "wide-cell" : "";
  const head = columns.map((text, i) => element("th", { scope: "col", className: kind(i) }, text.replace("#", "")));
  const cell = (content, i) =>
    i === 0 ? element("th", { scope: "row" }, content) : element("td", { className: kind(i) }, content);
  const body = rows.map((row) => element("tr", {}, ...row.map(cell)));
  const made = element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
  return element("div", { className: "scrolls", tabIndex: 0, role: "region", ariaLabel: `${name}: table` }, made);
}

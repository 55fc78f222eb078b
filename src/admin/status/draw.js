// Tables, lists and the chart. Whatever comes from the gateway becomes text, never markup.

const NARROW = "\u202f";

export const by = (id) => document.getElementById(id);

export const text = (id, says) => write(by(id), says);

/** A number with its thousands apart, and with digits behind the point where it is small. */
export function number(value, digits = 0) {
  if (value === undefined || Number.isNaN(value)) return "–";
  const [whole, rest] = value.toFixed(digits).split(".");
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, NARROW);
  return rest ? `${apart}.${rest}` : apart;
}

export const rate = (value) => number(value, value >= 1000 ? 0 : 1);
export const percent = (ratio) => `${number(ratio * 100)}${NARROW}%`;

export function millis(seconds) {
  if (seconds === undefined) return "–";
  return seconds === Infinity ? "longer than all bounds" : `${number(seconds * 1000, seconds < 0.01 ? 1 : 0)} ms`;
}

export function span(seconds) {
  const [days, hours, minutes] = [seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60].map(Math.floor);
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(seconds)} s`;
}

export function element(name, { says, kind, ...attributes } = {}) {
  const made = document.createElement(name);
  if (says !== undefined) made.textContent = says;
  if (kind) made.className = kind;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** A bar; its number stands beside it, so it is hidden from whoever listens. */
export function meter(ratio) {
  const bar = element("span", { kind: "meter", "aria-hidden": "true" });
  bar.append(element("i"));
  return set(bar, ratio);
}

function set(bar, ratio) {
  bar.className = `meter${ratio >= 1 ? " hot" : ratio >= 0.85 ? " warm" : ""}`;
  bar.firstChild.style.setProperty("--fill", `${Math.min(Math.max(ratio, 0), 1) * 100}%`);
  return bar;
}

/**
 * Rows of cells: texts, `{ says, kind }`, `{ ratio }` for a bar, or an element that stays as long as
 * the row's key. The first is the row's heading. What has not changed is left alone, so that nobody
 * who reads or stands somewhere is interrupted.
 */
export function rows(id, list) {
  const body = by(id);
  const focused = body.contains(document.activeElement) ? document.activeElement : undefined;
  const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  const nothing = [{ key: "", cells: [{ says: body.dataset.empty ?? "", kind: "empty" }] }];
  (list.length > 0 ? list : nothing).forEach(({ key, cells, quiet }, nth) => {
    const row = known.get(key) ?? element("tr", { role: "row", "data-key": key });
    known.delete(key);
    row.className = quiet ? "quiet" : "";
    cells.forEach((cell, at) => { fill(row.cells[at] ?? row.appendChild(td(cell, at === 0)), cell); });
    if (key === "") row.cells[0].colSpan = body.previousElementSibling.rows[0].cells.length;
    if (body.rows[nth] !== row) body.insertBefore(row, body.rows[nth] ?? null);
  });
  for (const row of known.values()) row.remove();
  if (focused?.isConnected) focused.focus();
}

function td(cell, isHead) {
  const attributes = isHead ? { scope: "row", role: "rowheader" } : { role: "cell" };
  const made = element(isHead ? "th" : "td", attributes);
  if (cell instanceof Node) made.append(cell);
  if (cell.ratio !== undefined) made.append(meter(cell.ratio));
  made.className = cell.ratio === undefined ? cell.kind ?? "" : "bar";
  return made;
}

function fill(made, cell) {
  if (cell instanceof Node) return;
  if (cell.ratio !== undefined) set(made.firstChild, cell.ratio);
  else write(made, cell.says ?? cell);
}

function write(made, says) {
  if (made.textContent !== says) made.textContent = says;
}

/** Pairs of a word and what it says: a text, or `{ says, kind }`; what says nothing is left out. */
export function pairs(id, list) {
  const told = list.filter(([, says]) => says !== undefined);
  const names = told.map(([name]) => name).join();
  if (by(id).dataset.names !== names) {
    by(id).replaceChildren(...told.flatMap(([name]) => [element("dt", { says: name }), element("dd")]));
    by(id).dataset.names = names;
  }
  by(id).querySelectorAll("dd").forEach((made, nth) => {
    const [, says] = told[nth];
    made.className = says.kind ?? "";
    write(made, says.says ?? says);
  });
}

/** Bands one above the other, each a list of numbers; the newest is at the right. */
export function chart(history, length) {
  const most = Math.max(1, ...history.map((bands) => bands.reduce((sum, band) => sum + band, 0)));
  const x = (nth) => 240 - (history.length - 1 - nth) * (240 / (length - 1));
  const y = (value) => 48 - value / most * 46;
  const floor = history.map(() => 0);
  by("chart").querySelectorAll("path").forEach((path, band) => {
    const below = [...floor];
    history.forEach((bands, nth) => { floor[nth] += bands[band]; });
    const points = (values) => values.map((value, nth) => `${x(nth).toFixed(1)} ${y(value).toFixed(1)}`);
    const outline = [...points(floor), ...points(below).reverse()];
    path.setAttribute("d", history.length > 1 ? `M${outline.join("L")}Z` : "");
  });
  return most;
}

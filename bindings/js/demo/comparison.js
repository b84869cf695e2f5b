import { element, table } from "./elements.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 960;
const HEIGHT = 280;
const LEFT = 36;
const BOTTOM = 24;
const TOP = 10;

function shape(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

/** The speedups of a network's pairs: a chart, and the same as a table. */
export function drawComparison({ pairs, network }) {
  const rows = [...pairs.map((pair, i) => [`${i + 1}`, pair]), ["all", network]];
  const legend = element(
    "p",
    { className: "legend" },
    element("span", {}, "promised: fewer multiply-adds"),
    element("span", { className: "delivered" }, "delivered: less time"),
  );
  const times = (x) => `${x.toFixed(2)}×`;
  const cells = rows.map(
    ([
      name,
      { depthwise, channels, plane, kernel, stride, separable, standard, theoreticalSpeedup, measuredSpeedup },
    ]) => [
      depthwise ? `${name}: ${depthwise}` : "whole network",
      depthwise ? `${channels.join(" → ")}, ${plane.join(" × ")}, ${kernel.join(" × ")} / ${stride[0]}` : "",
      separable.minMs.toFixed(3),
      standard.minMs.toFixed(3),
      times(theoreticalSpeedup),
      times(measuredSpeedup),
    ],
  );
  const columns = [
    "Pair",
    "Channels, size, kernel / stride",
    "Separable ms#",
    "Standard ms#",
    "Promised#",
    "Delivered#",
  ];
  return [legend, chart(rows), table("Promised and delivered speedups", columns, cells)];
}

function chart(rows) {
  const most = Math.max(
    ...rows.flatMap(([, { theoreticalSpeedup, measuredSpeedup }]) => [theoreticalSpeedup, measuredSpeedup]),
    1,
  );
  const step = most > 20 ? 10 : most > 8 ? 4 : 2;
  const top = Math.ceil(most / step) * step;
  const y = (speedup) => TOP + (HEIGHT - BOTTOM - TOP) * (1 - speedup / top);
  const slot = (WIDTH - LEFT) / rows.length;
  const bar = Math.min(24, slot * 0.38);
  const svg = shape("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": "Promised and delivered speedup of each pair; the table below has the numbers",
  });
  for (let line = 0; line <= top; line += step) {
    svg.append(shape("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(line), y2: y(line) }));
    svg.append(shape("text", { x: LEFT - 6, y: y(line) + 4, "text-anchor": "end" }, `${line}×`));
  }
  rows.forEach(([name, { theoreticalSpeedup, measuredSpeedup }], i) => {
    const middle = LEFT + slot * (i + 0.5);
    const rect = (kind, speedup, x) =>
      shape("rect", { class: kind, x, y: y(speedup), width: bar, height: y(0) - y(speedup), rx: 2 });
    svg.append(rect("promised", theoreticalSpeedup, middle - bar), rect("delivered", measuredSpeedup, middle));
    svg.append(shape("text", { x: middle, y: HEIGHT - 6, "text-anchor": "middle" }, name));
  });
  return svg;
}

// Plots as inline SVG. Each has a title, a description in words, and its values as a table.

import { h, s } from "./dom.js";

const WIDTH = 560; // of a plot; a narrow one keeps the size of its letters
const HEIGHT = 210;
const LEFT = 46;
const RIGHT = 12;
const TOP = 10;
const BOTTOM = 26;
let count = 0;

/** Round steps from 0, or from `low`, to at least `high`: at most five. */
export function ticks(high, low = 0) {
  const span = Math.max(high - low, 1e-9);
  const rough = span / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= rough);
  const first = Math.floor(low / step) * step;
  const found = [];
  for (let value = first; found.length === 0 || found.at(-1) < high - 1e-9; value += step) found.push(Number(value.toPrecision(12)));
  return found;
}

const yScale = (marks) => (value) => HEIGHT - BOTTOM - ((value - marks[0]) / (marks.at(-1) - marks[0])) * (HEIGHT - TOP - BOTTOM);

function frame(width, title, description, marks, format, labels) {
  const id = `chart-${++count}`;
  const y = yScale(marks);
  return s(
    "svg",
    { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-labelledby": `${id}-t ${id}-d` },
    s("title", { id: `${id}-t` }, title),
    s("desc", { id: `${id}-d` }, description),
    marks.map((mark) => [
      s("line", { class: mark === marks[0] ? "axis" : "grid", x1: LEFT, x2: width - RIGHT, y1: y(mark), y2: y(mark) }),
      s("text", { x: LEFT - 6, y: y(mark) + 4, "text-anchor": "end" }, format(mark)),
    ]),
    labels.map(({ at, text, anchor }) => s("text", { x: at, y: HEIGHT - 8, "text-anchor": anchor ?? "middle" }, text)),
  );
}

function figure(svg, legend, table) {
  return h("figure", {}, svg, legend, h("details", {}, h("summary", {}, "As a table"), table));
}

/** A table; the first entry of each row is its heading, numbers are aligned right. */
export function table(caption, heads, rows) {
  const right = heads.map((_, index) => index > 0 && rows.every((row) => /^[\d–+−.,\s%to]*(ms)?$/.test(String(row[index]))));
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, heads.map((head, index) => h("th", { scope: "col", class: right[index] ? "num" : null }, head)))),
      h(
        "tbody",
        {},
        rows.map((row) => h("tr", {}, row.map((cell, index) => (index === 0 ? h("th", { scope: "row" }, cell) : h("td", { class: right[index] ? "num" : null }, cell))))),
      ),
    ),
  );
}

function legend(names) {
  if (names.length < 2) return null;
  return h(
    "ul",
    { class: "legend" },
    names.map((name, index) =>
      h("li", {}, s("svg", { class: "chart", viewBox: "0 0 26 10", "aria-hidden": "true" }, s("line", { class: `line s${index + 1} d${index + 1}`, x1: 1, x2: 25, y1: 5, y2: 5 })), name),
    ),
  );
}

const path = (points) => points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

/**
 * Lines with intervals over time. `series` is [{name, points: [{at, value, low, high}]}]; a value of null is a gap.
 * `reference` is {label, value} or {label, low, high}: a line, or a band, to compare with.
 */
export function lines({ title, describe, series, start, end, format, time, reference, floor = 0, width = WIDTH }) {
  const known = series.flatMap(({ points }) => points.filter(({ value }) => value !== null));
  if (known.length === 0) return h("p", { class: "nothing" }, "Nothing to draw yet.");
  const bounds = [reference?.value, reference?.high].filter((value) => value !== undefined && value !== null);
  const high = Math.max(...known.map((point) => point.high ?? point.value), ...bounds);
  const marks = ticks(high > floor ? high : floor + 1, floor);
  const y = yScale(marks);
  const x = (at) => LEFT + ((at - start) / (end - start)) * (width - LEFT - RIGHT);
  const steps = width < 450 ? 2 : 3;
  const labels = Array.from({ length: steps + 1 }, (_, step) => {
    const at = start + ((end - start) * step) / steps;
    return { at: x(at), text: time(at), anchor: step === 0 ? "start" : step === steps ? "end" : "middle" };
  });
  const svg = frame(width, title, describe, marks, format, labels);
  if (reference?.low !== undefined) svg.append(s("rect", { class: "reference-band", x: LEFT, width: width - LEFT - RIGHT, y: y(reference.high), height: Math.max(1, y(reference.low) - y(reference.high)) }));
  if (reference?.value !== undefined && reference.value !== null) svg.append(s("line", { class: "reference", x1: LEFT, x2: width - RIGHT, y1: y(reference.value), y2: y(reference.value) }));
  series.forEach(({ points }, index) => {
    for (const part of pieces(points)) {
      const band = part.filter(({ low }) => low !== undefined && low !== null);
      if (band.length > 1) {
        const edge = [...band.map((point) => [x(point.at), y(point.high)]), ...[...band].reverse().map((point) => [x(point.at), y(point.low)])];
        svg.append(s("path", { class: `band f${index + 1}`, d: `${path(edge)}Z` }));
      }
      if (part.length > 1) svg.append(s("path", { class: `line s${index + 1} d${index + 1}`, d: path(part.map((point) => [x(point.at), y(point.value)])) }));
      const last = part.at(-1);
      if (band.length === 1) svg.append(s("line", { class: `line s${index + 1}`, x1: x(last.at), x2: x(last.at), y1: y(last.low), y2: y(last.high) }));
      svg.append(s("circle", { class: `f${index + 1}`, cx: x(last.at), cy: y(last.value), r: 3.4 }));
    }
  });
  const rows = series.flatMap(({ name, points }) =>
    points.filter(({ value }) => value !== null).map((point) => [time(point.at), name, format(point.value), point.low === undefined || point.low === null ? "–" : `${format(point.low)} to ${format(point.high)}`]),
  );
  return figure(svg, legend(series.map(({ name }) => name)), table(title, ["Time", "", "Value", "Interval"], rows));
}

function pieces(points) {
  const parts = [[]];
  for (const point of points) {
    if (point.value === null) parts.push([]);
    else parts.at(-1).push(point);
  }
  return parts.filter((part) => part.length);
}

/** Stacked columns: `series` is [{name, values}], one value for each of `labels`; every `every`-th label is written. */
export function columns({ title, describe, series, labels, format, every = 1, heads }) {
  const totals = labels.map((_, index) => series.reduce((sum, { values }) => sum + values[index], 0));
  if (Math.max(0, ...totals) === 0) return h("p", { class: "nothing" }, "Nothing to draw yet.");
  const marks = ticks(Math.max(...totals));
  const y = yScale(marks);
  const wide = (WIDTH - LEFT - RIGHT) / labels.length;
  const written = labels.map((text, index) => ({ at: LEFT + wide * (index + 0.5), text })).filter((_, index) => index % every === 0);
  const svg = frame(WIDTH, title, describe, marks, format, written);
  labels.forEach((label, index) => {
    let below = 0;
    series.forEach(({ name, values }, number) => {
      if (values[index] <= 0) return;
      const top = y(below + values[index]);
      const bar = s("rect", { class: `f${number + 1}`, x: LEFT + wide * index + wide * 0.12, width: wide * 0.76, y: top, height: Math.max(0.8, y(below) - top), rx: Math.min(2, wide / 6) });
      bar.append(s("title", {}, `${label}: ${format(values[index])} ${name}`));
      svg.append(bar);
      below += values[index];
    });
  });
  const shown = labels.map((label, index) => [label, ...series.map(({ values }) => format(values[index]))]).filter((_, index) => totals[index] > 0);
  const names = series.length < 2 ? null : h("ul", { class: "legend" }, series.map(({ name }, index) => h("li", {}, s("svg", { class: "chart", viewBox: "0 0 26 10", "aria-hidden": "true" }, s("rect", { class: `f${index + 1}`, width: 14, height: 10, x: 6, rx: 2 })), name)));
  return figure(svg, names, table(title, [heads ?? "", ...series.map(({ name }) => name)], shown));
}

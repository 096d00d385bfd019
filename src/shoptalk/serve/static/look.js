// How a product without a picture looks: a colour of its category, letters, and a figure of its own.

import { h, s } from "./dom.js";

/** A number from 0 to 2^32 - 1, the same for the same text (FNV-1a). */
export function hash(text) {
  let value = 0x811c9dc5;
  for (const unit of text) {
    value ^= unit.codePointAt(0);
    value = Math.imul(value, 0x01000193) >>> 0;
  }
  value ^= value >>> 15;
  return Math.imul(value, 0x2c1b3c6d) >>> 0;
}

const words = (text) => text.match(/[\p{L}\p{N}]+/gu) ?? [];

/** The most specific category, else the brand, else the first word of the title. */
export function kind(product) {
  return product.categories?.at(-1) || product.brand || words(product.title)[0] || "";
}

export const hue = (product) => String(hash(kind(product).toLowerCase()) % 360);

/** Two letters of the brand, or of the title. */
export function letters(product) {
  const [first, second] = words(product.brand || product.title);
  if (!first) return "·";
  const [a, b] = [...first];
  return (a + (second ? [...second][0] : b ?? "")).toUpperCase();
}

const FIGURES = [
  (r) => [0, 1, 2].map((i) => s("circle", { class: "stroke", cx: 210 + r(9), cy: 20 + r(20), r: 28 + 24 * i })),
  (r) => [0, 1, 2, 3, 4].map((i) => s("rect", { class: "shape", x: 128 + 26 * i, y: 80 - r(60) - 6 * i, width: 15, height: 120, rx: 3 })),
  (r) => [s("circle", { class: "shape", cx: 160 + r(50), cy: 10 + r(40), r: 52 }), s("circle", { class: "shape", cx: 215, cy: 60 + r(30), r: 36 })],
  (r) => [0, 1, 2, 3].map((i) => s("path", { class: "stroke", d: `M90 ${18 + 22 * i + r(6)} q 35 -30 70 0 t 70 0 t 70 0` })),
  (r) => Array.from({ length: 18 }, (_, i) => s("circle", { class: "shape", cx: 132 + 22 * (i % 6), cy: 18 + 26 * Math.floor(i / 6), r: 3 + r(7) })),
  (r) => [s("path", { class: "shape", d: `M${120 + r(40)} 110 L 190 ${-10 + r(30)} L 260 110 z` }), s("path", { class: "stroke", d: "M150 110 L 215 20 L 280 110" })],
  (r) => [0, 1, 2].map((i) => s("rect", { class: "stroke", x: 150 + 20 * i, y: 8 + 16 * i + r(8), width: 60, height: 46, rx: 8 })),
];

function figure(product) {
  let seed = hash(product.item_id);
  const next = (limit) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return (seed >>> 8) % limit;
  };
  const shapes = FIGURES[hash(kind(product)) % FIGURES.length](next);
  return s("svg", { viewBox: "0 0 240 100", preserveAspectRatio: "xMaxYMid slice", "aria-hidden": "true" }, shapes);
}

/** The upper part of a card: it says nothing that the card does not say in words. */
export function cover(product) {
  return h(
    "div",
    { class: "cover", vars: { "--hue": hue(product) }, "aria-hidden": "true" },
    figure(product),
    h("span", { class: "letters" }, letters(product)),
    product.categories?.length ? h("span", { class: "kind" }, kind(product)) : null,
  );
}

export const swatch = (product) => h("span", { class: "swatch", vars: { "--hue": hue(product) }, "aria-hidden": "true" }, letters(product));
export const dot = (product) => h("span", { class: "swatch tiny", vars: { "--hue": hue(product) }, "aria-hidden": "true" });

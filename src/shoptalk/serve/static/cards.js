// Cards of products, the bars that explain them, and the rows of the simple method.

import { h, fill } from "./dom.js";
import { cover, dot, hue, swatch } from "./look.js";
import { price, signed, whole } from "./text.js";

const SHOWN = 3;

/** What is known of a product in one line. */
export function facts(product) {
  const bought = product.purchases > 0 ? `bought ${whole(product.purchases)}×` : "never bought yet";
  return h(
    "p",
    { class: "facts" },
    product.price === null || product.price === undefined ? null : h("strong", {}, price(product.price)),
    product.brand ? h("span", {}, product.brand) : null,
    h("span", {}, product.new ? "new here" : bought),
  );
}

/** A card. `place` is its rank, `moved` how it changed, `open` and `add` are called for its buttons. */
export function card(product, { place, moved, open, add, why }) {
  const image = cover(product);
  image.addEventListener("click", open);
  return h(
    "li",
    { class: "card", "data-item": product.item_id },
    place === undefined ? null : h("span", { class: "place" }, h("span", { class: "hidden" }, "Place "), place),
    moved ? h("span", { class: `moved ${moved.kind}` }, moved.text, h("span", { class: "hidden" }, moved.said)) : null,
    image,
    h(
      "div",
      { class: "body" },
      h("h3", {}, h("button", { type: "button", "aria-haspopup": "dialog", on: { click: open } }, product.title)),
      facts(product),
      why ? h("div", { class: "why" }, h("p", { class: "waits" }, why)) : null,
      h(
        "div",
        { class: "actions" },
        h("button", { type: "button", class: "quiet", "aria-label": `Add to basket: ${product.title}`, on: { click: add } }, "Add to basket"),
      ),
    ),
  );
}

/** How a rank changed since the list before. */
export function movement(rank, before) {
  if (before === undefined) return { kind: "fresh", text: "new", said: " in the list" };
  if (before === rank) return null;
  return before > rank ? { kind: "up", text: `▲ ${before - rank}`, said: " places up" } : { kind: "down", text: `▼ ${rank - before}`, said: " places down" };
}

/** The bars of effects: their length is relative to `longest`, the largest effect of the list. */
export function bars(effects, longest, products) {
  return h(
    "ul",
    { class: "bars", "aria-label": "Effects of earlier products" },
    effects.map(({ item_id, title, effect }) => {
      const product = products.get(item_id) ?? { item_id, title, brand: "", categories: [] };
      const width = longest > 0 ? `${Math.max(2, (100 * Math.abs(effect)) / longest)}%` : "0";
      const bar = h("span", { class: effect < 0 ? "minus" : "plus", vars: { width, "--hue": hue(product) } });
      return h(
        "li",
        {},
        dot(product),
        h("span", { class: "title", title }, title),
        h("span", { class: "value" }, signed(effect)),
        h("span", { class: "track", "aria-hidden": "true" }, bar),
      );
    }),
  );
}

/** The largest absolute effect of some explanations. */
export function largest(explanations) {
  return Math.max(0, ...Object.values(explanations).flatMap(({ because }) => because.map(({ effect }) => Math.abs(effect))));
}

/** Put an explanation into a card. */
export function explain(element, explanation, longest, products) {
  const place = element.querySelector(".why");
  if (!place) return;
  const best = explanation ? strongest(explanation.because) : [];
  if (!best.length && !explanation?.reason) {
    fill(place, h("p", { class: "waits" }, "No earlier product moved this one."));
    return;
  }
  fill(place, explanation.reason ? h("p", { class: "reason" }, explanation.reason) : null, bars(best.slice(0, SHOWN), longest, products));
}

/** Effects that are not nearly zero, the largest first. */
export function strongest(because) {
  return because.filter(({ effect }) => Math.abs(effect) >= 0.005).sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect));
}

/** A row of the simple method's list; `also` is the rank in the other list. */
export function row(product, place, also, open) {
  return h(
    "li",
    { class: also ? "row common" : "row", "data-item": product.item_id },
    h("span", { class: "place" }, h("span", { class: "hidden" }, "Place "), place),
    swatch(product),
    h("button", { type: "button", class: "title", title: product.title, "aria-haspopup": "dialog", on: { click: open } }, product.title),
    h("span", { class: "also" }, also ? `also ${also}` : price(product.price)),
  );
}

// The dialog of the page: one product, the basket, or the test users.

import { bars, facts, strongest } from "./cards.js";
import { byId, fill, h } from "./dom.js";
import { cover, swatch } from "./look.js";
import { many, price, signed, whole } from "./text.js";

const MOST_BARS = 12;
let opener = null;
let openerItem = null;

/** Show an element in the dialog; its heading gets the focus, and the opener gets it back. */
export function show(title, ...content) {
  const dialog = byId("dialog");
  const heading = h("h2", { id: "dialog-title", tabindex: "-1" }, title);
  const close = h("button", { type: "button", class: "quiet", on: { click: () => dialog.close() } }, "Close");
  fill(dialog, h("div", { class: "sheet" }, h("div", { class: "sheet-head" }, heading, close), content));
  if (!dialog.open) {
    opener = document.activeElement;
    openerItem = opener?.closest?.("#picks [data-item]")?.dataset.item ?? null;
    dialog.showModal();
  }
  dialog.scrollTop = 0;
  heading.focus();
}

export function close() {
  if (byId("dialog").open) byId("dialog").close();
}

/**
 * The browser gives the focus back to the opener. After a list was drawn again, `again` gives it to the card of the same
 * product, unless the focus has moved on by then: the event comes some time after the dialog has closed.
 */
export function prepare(again) {
  const dialog = byId("dialog");
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    if (!opener?.isConnected && document.activeElement === document.body) again(openerItem);
    opener = null;
  });
}

/** One product: `explanation` says why it was recommended, `similar` resolves to products like it. */
export function product(one, { explanation, products, similar, add, buy, open }) {
  const like = h("ul", { class: "rows" }, h("li", { class: "muted" }, "Looking for similar products…"));
  show(
    one.title,
    cover(one),
    facts(one),
    h(
      "div",
      { class: "buttons" },
      h("button", { type: "button", on: { click: buy } }, one.price === null ? "Buy now" : `Buy now for ${price(one.price)}`),
      h("button", { type: "button", class: "quiet", on: { click: add } }, "Add to basket"),
    ),
    explanation ? why(explanation, products) : null,
    one.categories?.length ? h("p", { class: "muted" }, `Category: ${one.categories.join(" › ")}`) : null,
    one.description ? h("div", { class: "text" }, h("h3", {}, "Description"), h("p", {}, one.description)) : null,
    one.features?.length ? h("div", {}, h("h3", {}, "Features"), h("ul", { class: "features" }, one.features.map((text) => h("li", {}, text)))) : null,
    h("div", {}, h("h3", {}, "Similar products"), like),
  );
  similar.then(
    (found) =>
      fill(
        like,
        found.length
          ? found.map((item) =>
              h("li", { class: "row" }, h("span"), swatch(item), h("button", { type: "button", class: "title", on: { click: () => open(item) } }, item.title), h("span", { class: "also" }, price(item.price))),
            )
          : h("li", { class: "muted" }, "There are none."),
      ),
    (failure) => fill(like, h("li", { class: "muted" }, `They could not be read: ${failure.message}`)),
  );
}

function why({ because, reason, sources, unit }, products) {
  const effects = strongest(because);
  const longest = Math.max(0, ...effects.map(({ effect }) => Math.abs(effect)));
  return h(
    "div",
    { class: "why" },
    h("h3", {}, "Why this one"),
    reason ? h("p", { class: "reason" }, reason) : null,
    effects.length
      ? [
          h("p", { class: "muted" }, `What each earlier product does to its ${unit}: the ${unit} minus that without the product.`),
          bars(effects.slice(0, MOST_BARS), longest, products),
        ]
      : h("p", { class: "muted" }, "No earlier product changes its score."),
    sources.length
      ? h("p", { class: "muted" }, `What each source of the second stage adds: ${sources.map((part) => `${part.source.replaceAll("_", " ")} ${signed(part.effect)}`).join(", ")}.`)
      : null,
  );
}

/** The basket; `buy` buys all of it, `drop` takes a product out. */
export function basket(items, { buy, drop }) {
  const priced = items.filter((item) => item.price !== null && item.price !== undefined);
  const total = priced.reduce((sum, item) => sum + item.price, 0);
  show(
    "Basket",
    items.length === 0
      ? h("p", {}, "The basket is empty. Products that you put into it count for the recommendations at once.")
      : [
          h(
            "ul",
            {},
            items.map((item) =>
              h(
                "li",
                { class: "line" },
                swatch(item),
                h("span", { class: "title" }, item.title),
                h("span", { class: "num" }, price(item.price)),
                h("button", { type: "button", class: "link", "aria-label": `Take out: ${item.title}`, on: { click: () => drop(item) } }, "Take out"),
              ),
            ),
          ),
          h("p", { class: "total" }, h("span", {}, many(items.length, "product")), h("span", { class: "num" }, priced.length ? price(total) : "no prices known")),
          h("p", { class: "muted" }, "Nothing is sold here. Buying stores a purchase, which the next recommendations know."),
          h("div", { class: "buttons" }, h("button", { type: "button", on: { click: buy } }, items.length === 1 ? "Buy it" : `Buy all ${whole(items.length)}`)),
        ],
  );
}

/** The test users; `load` gives some of them, `step` steps into one, `leave` becomes a new visitor. */
export async function people({ count, known, load, step, leave }) {
  const list = h("ul", { class: "people" }, h("li", { class: "muted" }, "Reading…"));
  const more = async () => {
    try {
      const users = await load();
      fill(
        list,
        users.map((user) =>
          h(
            "li",
            {},
            h(
              "button",
              { type: "button", on: { click: () => step(user.number) } },
              h("span", { class: "name" }, user.user),
              h("span", { class: "muted" }, many(user.purchases, "purchase"), ", lately:"),
              [...user.last].reverse().map((title) => h("span", { class: "title" }, title)),
            ),
          ),
        ),
      );
    } catch (failure) {
      fill(list, h("li", {}, `They could not be read: ${failure.message}`));
    }
  };
  show(
    "Who is shopping?",
    count === 0
      ? h("p", {}, "The dataset of this run has no test users.")
      : [
          h("p", {}, `${many(count, "test user")} of the dataset. What each of them bought next was held out: the model has not seen it, and you can compare.`),
          list,
        ],
    h(
      "div",
      { class: "buttons" },
      count > 8 ? h("button", { type: "button", class: "quiet", on: { click: more } }, "Others") : null,
      known ? h("button", { type: "button", on: { click: leave } }, "Be a new visitor") : null,
    ),
  );
  if (count > 0) await more();
}

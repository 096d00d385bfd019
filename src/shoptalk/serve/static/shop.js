// The shop: every click and purchase is an event, and the recommendations follow.

import { ask, EventQueue, Failure, newId, pause } from "./api.js";
import { card, explain, largest, movement, row } from "./cards.js";
import * as dialogs from "./dialogs.js";
import { byId, fill, h } from "./dom.js";
import { swatch } from "./look.js";
import { many, milliseconds, ordinal, sentence, whole } from "./text.js";

const SHOWN = 12;
const FOUND = 12;
const POPULARITY = "popularity";
const AGAIN = 1_000; // milliseconds until a method that is being learned is asked for again
const DONE = { click: "looked at", basket: "in the basket", purchase: "bought here", dataset: "bought" };

const STRENGTH = ["click", "basket", "purchase"];

const products = new Map(); // what is known of products, by id
const origins = new Map(); // the answer that showed a product last, by id
const shop = { about: null, testUser: null, past: [], basket: [], answer: null, explanations: {}, unit: "", ranks: new Map(), failed: 0 };
let running = new AbortController();

const events = new EventQueue({
  stored: () => {
    trouble(null);
    refresh(shop.because);
  },
  trouble: (failure, waiting) =>
    trouble(
      failure.passing ? `${sentence(failure.message)} ${many(waiting, "event")} will be sent again.` : `An event was refused: ${sentence(failure.message)}`,
      failure.passing ? () => events.retry() : null,
    ),
});

function trouble(message, again) {
  const place = byId("trouble");
  place.hidden = message === null;
  fill(place, message, message && again ? h("button", { type: "button", class: "quiet", on: { click: again } }, "Try now") : null);
}

function say(message) {
  fill(byId("said"), message);
}

// Reading

async function start(fresh = false) {
  try {
    shop.about = await ask(fresh ? "POST" : "GET", fresh ? "/page/visitor" : "/page/shop");
  } catch (failure) {
    fill(byId("picks-about"), failure.passing ? "" : failure.message);
    trouble([failure.message, failure.hint].map(sentence).join(" "), failure.passing ? () => begin(fresh) : null);
    return false;
  }
  trouble(null);
  shop.past = shop.about.history.map((item) => ({ ...learn(item), how: item.how }));
  shop.basket = shop.past.filter((item) => item.how === "basket");
  return true;
}

function learn(product) {
  const known = { ...products.get(product.item_id), ...product };
  products.set(product.item_id, known);
  return known;
}

/** Products by id, with their categories and texts; asks for those that are not known. */
async function describe(items, signal) {
  const missing = items.filter((item) => products.get(item.item_id)?.categories === undefined).map((item) => item.item_id);
  if (missing.length) (await ask("POST", "/page/items", { items: missing }, { signal })).items.forEach(learn);
  return items.map((item) => learn({ categories: [], ...products.get(item.item_id), ...item }));
}

function filters() {
  const number = (id) => (byId(id).value === "" ? null : Number(byId(id).value));
  const category = byId("category").value;
  return { categories: category ? [category] : [], min_price: number("price-low"), max_price: number("price-high") };
}

/** For whom: a visitor's history is that of the service; a test user's begins with what the dataset holds. */
function about() {
  const user = shop.about.visitor;
  if (!shop.testUser) return { user };
  return { user, history: [...shop.testUser.history, ...shop.past].map((item) => item.item_id).slice(-200) };
}

function bought() {
  return [...(shop.testUser?.history ?? []), ...shop.past.filter((item) => item.how === "purchase")].map((item) => item.item_id);
}

/** Ask for recommendations, then for reasons and for the simple method's list. */
async function refresh(because = "") {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const list = byId("picks");
  list.classList.add("waiting");
  const chosen = filters();
  const narrowed = shop.testUser ? { exclude_history: false, filters: { ...chosen, deny: bought() } } : { filters: chosen };
  const began = performance.now();
  try {
    const answer = await ask("POST", "/v1/recommend", { ...about(), k: SHOWN, context: { page: "shop" }, ...narrowed }, { signal });
    const seconds = performance.now() - began;
    const items = await describe(answer.items, signal);
    if (signal.aborted) return;
    if (events.size === 0) trouble(null);
    shop.answer = answer;
    shop.failed = 0;
    shop.explanations = {};
    items.forEach((item) => origins.set(item.item_id, answer.recommendation_id));
    drawPicks(items, answer, seconds, because);
    drawPast();
    await Promise.allSettled([explainAll(answer, items, signal), compare(answer, chosen, signal)]);
  } catch (failure) {
    if (signal.aborted) return;
    if (!(failure instanceof Failure)) throw failure;
    failed(failure, because, signal);
  } finally {
    if (!signal.aborted) list.classList.remove("waiting");
  }
}

function failed(failure, because, signal) {
  if (failure.status === 401 || failure.status === 403) {
    trouble("This visit has ended.", () => begin(true));
  } else if (failure.passing) {
    trouble(sentence(failure.message), () => refresh(because));
    setTimeout(() => !signal.aborted && refresh(because), pause(shop.failed++));
  } else {
    fill(byId("picks"));
    note(`${[failure.message, failure.hint].map(sentence).join(" ")} Change the filters.`);
  }
}

async function explainAll(answer, items, signal) {
  const cards = [...byId("picks").children];
  if (answer.fallback || items.length === 0) return;
  try {
    const body = { ...about(), items: items.map((item) => item.item_id), arm: answer.arm };
    const found = await ask("POST", "/page/explain", body, { signal });
    if (signal.aborted) return;
    const named = Object.values(found.items).flatMap(({ because }) => because);
    await describe([...new Map(named.map(({ item_id, title }) => [item_id, { item_id, title }])).values()], signal);
    shop.explanations = Object.fromEntries(Object.entries(found.items).map(([item, one]) => [item, { ...one, reason: honest(one) }]));
    shop.unit = found.unit;
    const longest = largest(found.items);
    cards.forEach((element) => explain(element, shop.explanations[element.dataset.item], longest, products));
    byId("picks-about").append(` · reasons in ${milliseconds(found.milliseconds)}`);
  } catch (failure) {
    if (!signal.aborted) cards.forEach((element) => fill(element.querySelector(".why") ?? h("p"), h("p", { class: "waits" }, "The reasons could not be computed.")));
  }
}

/** The written reason; reasons speak of purchases, also where the product was only looked at. */
function honest({ reason, because }) {
  const first = because.reduce((best, one) => (best === null || one.effect > best.effect ? one : best), null);
  const how = shop.past.find((one) => one.item_id === first?.item_id)?.how;
  const bought = how === undefined || how === "purchase";
  return bought ? reason : reason?.replace(/^Because you have bought/, how === "basket" ? "Because your basket has" : "Because you looked at");
}

/** Draw the list of the chosen simple method; while that is being learned, the list of the most popular products. */
async function compare(answer, chosen, signal, method = byId("method").value) {
  const held = shop.testUser?.next.map((item) => item.item_id) ?? [];
  const deny = shop.testUser ? bought() : [];
  try {
    const body = { ...about(), method, arm: answer.arm, k: SHOWN, filters: { ...chosen, deny }, exclude_history: !shop.testUser, held_out: held };
    const found = await ask("POST", "/page/beside", body, { signal });
    if (signal.aborted) return;
    if (!found.ready) {
      fill(byId("beside-about"), `${found.label}: being learned from the purchases…`);
      if (method !== POPULARITY) await compare(answer, chosen, signal, POPULARITY);
      else fill(byId("beside"));
      setTimeout(() => !signal.aborted && method === byId("method").value && compare(answer, chosen, signal), AGAIN);
      return;
    }
    drawBeside(found, answer);
    drawTruth(found);
  } catch (failure) {
    if (signal.aborted) return;
    fill(byId("beside"));
    fill(byId("beside-about"), failure.message);
  }
}

// Drawing

function methodName(answer) {
  return shop.about.arms.find((arm) => arm.name === answer.arm && arm.method === answer.method)?.label ?? answer.method.replaceAll("_", " ");
}

function note(text) {
  byId("picks-note").hidden = !text;
  fill(byId("picks-note"), text);
}

const WHY_POPULAR = {
  no_history: "There is no history yet, so these are the most popular products. Look at one, or step into a test user.",
  model_error: "The model failed, so these are the most popular products.",
  timed_out: "The model took too long, so these are the most popular products.",
  nothing_ranked: "The model ranked nothing that fits, so these are the most popular products.",
};

function drawPicks(items, answer, seconds, because) {
  const before = shop.ranks;
  shop.ranks = new Map(items.map((item, index) => [item.item_id, index + 1]));
  const compared = because && before.size > 0;
  const focused = document.activeElement?.closest?.("#picks [data-item]")?.dataset.item;
  fill(
    byId("picks"),
    items.map((item, index) =>
      card(item, {
        place: index + 1,
        moved: compared ? movement(index + 1, before.get(item.item_id)) : null,
        open: () => look(item, answer.recommendation_id),
        add: () => put(item, answer.recommendation_id),
        why: answer.fallback ? null : "Computing the reasons…",
      }),
    ),
  );
  if (focused) (cardOf(focused) ?? byId("picks").querySelector("h3 button"))?.focus();
  note(items.length === 0 ? "No product meets these filters." : WHY_POPULAR[answer.fallback] ?? "");
  const fresh = items.filter((item) => !before.has(item.item_id)).length;
  const change = compared ? `${because}: ${fresh === 0 ? "the same products" : `${fresh} of ${items.length} are new`}` : "";
  fill(
    byId("picks-about"),
    h("span", { id: "picks-method" }, answer.fallback ? "most popular" : methodName(answer)),
    " · answered in ",
    h("strong", { id: "picks-ms", class: "num", title: `${milliseconds(seconds)} with the way here and back` }, milliseconds(answer.milliseconds)),
    shop.about.arms.length > 1 ? ` · arm ${answer.arm}` : "",
    answer.rules.length ? ` · rules: ${answer.rules.map((rule) => rule.rule).join(", ")}` : "",
    change ? ` · ${change}` : "",
  );
  say(`${compared ? `${change}. ` : ""}${many(items.length, "recommendation")}.`);
}

function drawBeside(found, answer) {
  const common = found.items.filter((item) => shop.ranks.has(item.item_id)).length;
  fill(
    byId("beside-about"),
    found.method === byId("method").value ? "" : `${found.label}, until the other method is learned · `,
    `answered in ${milliseconds(found.milliseconds)} · ${common} of ${found.items.length} also in the other list`,
  );
  found.items.forEach(learn);
  fill(
    byId("beside"),
    found.items.map((item, index) => row(item, index + 1, shop.ranks.get(item.item_id), () => look(item, null))),
  );
  if (found.items.length === 0) fill(byId("beside"), h("li", { class: "muted" }, "It recommends nothing here."));
  drawMeasured(answer);
}

function drawMeasured(answer) {
  const { metric, value, methods } = shop.about;
  const method = methods.find(({ name }) => name === byId("method").value);
  const place = byId("measured");
  if (metric === null || value === null || method?.value === null || method?.value === undefined) {
    fill(place, metric === null ? h("p", { class: "muted" }, "This run was not evaluated: shoptalk evaluate measures both.") : null);
    return;
  }
  const most = Math.max(value, method.value);
  const bar = (label, figure, kind) => [
    h("span", {}, label),
    h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: kind, vars: { width: `${(100 * figure) / most}%` } })),
    h("span", { class: "num" }, figure.toFixed(3)),
  ];
  fill(
    place,
    h("p", { class: "figures" }, h("span", { class: "caption" }, `${metric} on held-out purchases of all test users`), bar("this run", value, "model"), bar("simple", method.value, "simple")),
  );
}

function drawTruth(found) {
  byId("truth").hidden = !shop.testUser;
  if (!shop.testUser) return;
  const said = (rank) => (rank === undefined ? "…" : rank === null ? `not among the first ${found.deepest}` : ordinal(rank));
  const badge = (label, rank) => h("span", { class: Number.isInteger(rank) && rank <= SHOWN ? "rank hit" : "rank" }, `${label}: ${said(rank)}`);
  const live = shop.past.length ? " What you have done since is part of the history of both lists." : "";
  fill(
    byId("truth-about"),
    `Held out: the model has not seen this purchase.${shop.testUser.tied ? " It has the same time as another one, so that the order of the file decides." : ""}${live}`,
  );
  fill(
    byId("truth-items"),
    shop.testUser.next.map((item, index) =>
      h("li", {}, swatch(item), h("span", { class: "title" }, item.title), found && badge(methodName(shop.answer), found.ranks.model[index]), found && badge(found.label, found.ranks.simple[index])),
    ),
  );
}

function drawPast() {
  const before = (shop.testUser?.history ?? []).map((item) => ({ ...item, how: "dataset" }));
  const all = [...before, ...shop.past].reverse();
  fill(
    byId("past"),
    all.map((item) =>
      h("li", { class: item.how === "dataset" ? "chip" : "chip now" }, swatch(item), h("span", { class: "title", title: item.title }, item.title), h("span", { class: "what" }, DONE[item.how] ?? item.how)),
    ),
  );
  byId("past").hidden = all.length === 0;
  const live = shop.past.length ? `${many(shop.past.length, "product")} of this visit` : "nothing in this visit yet";
  fill(byId("past-about"), shop.testUser ? `${many(shop.testUser.purchases, "purchase")} in the dataset, ${live}; the newest first` : shop.past.length ? `${live}, the newest first` : "Nothing yet. Every product that you look at, put into the basket or buy changes the recommendations.");
  byId("start-over").hidden = shop.past.length === 0;
  fill(byId("person-name"), shop.testUser ? `Test user ${shop.testUser.user}` : "New visitor");
  document.querySelector("#person .face").classList.toggle("known", Boolean(shop.testUser));
  fill(byId("basket-count"), shop.basket.length);
}

function cardOf(item) {
  return [...byId("picks").children].find((element) => element.dataset.item === item)?.querySelector("h3 button");
}

// Doing

function happen(kind, items, recommendation) {
  const now = Date.now() / 1000;
  for (const item of items) {
    const before = shop.past.find((one) => one.item_id === item.item_id)?.how;
    shop.past = shop.past.filter((one) => one.item_id !== item.item_id);
    shop.past.push({ ...item, how: STRENGTH.indexOf(before) > STRENGTH.indexOf(kind) ? before : kind });
  }
  shop.because = { click: "after your click", basket: "after the basket", purchase: "after your purchase" }[kind];
  drawPast();
  events.add(
    ...items.map((item, index) => ({
      event_id: newId(),
      user: shop.about.visitor,
      item_id: item.item_id,
      kind,
      timestamp: now + index * 1e-3,
      ...(recommendation(item) ? { recommendation_id: recommendation(item) } : {}),
      ...(kind === "purchase" && typeof item.price === "number" ? { value: item.price } : {}),
    })),
  );
}

/** Open a product; that is a click, and belongs to the answer that showed it. */
function look(item, recommendation) {
  const explanation = shop.explanations[item.item_id];
  const similar = ask("GET", `/v1/items/${encodeURIComponent(item.item_id)}/similar?k=5`).then((found) => describe(found.items));
  dialogs.product(learn(item), {
    explanation: explanation && { ...explanation, unit: shop.unit },
    products,
    similar,
    add: () => (put(item, recommendation), dialogs.close()),
    buy: () => buy([item]),
    open: (other) => look(other, null),
  });
  happen("click", [item], () => recommendation);
}

function put(item, recommendation) {
  if (!shop.basket.some((one) => one.item_id === item.item_id)) shop.basket.push(item);
  say(`In the basket: ${item.title}.`);
  happen("basket", [item], () => recommendation);
}

function buy(items) {
  dialogs.close();
  shop.basket = shop.basket.filter((one) => !items.some((item) => item.item_id === one.item_id));
  say(`Bought: ${many(items.length, "product")}.`);
  happen("purchase", items, (item) => origins.get(item.item_id));
}

function openBasket() {
  dialogs.basket(shop.basket, {
    buy: () => buy([...shop.basket]),
    drop: (item) => {
      shop.basket = shop.basket.filter((one) => one.item_id !== item.item_id);
      drawPast();
      openBasket();
    },
  });
}

async function search(query, offset = 0) {
  const title = byId("found-title");
  byId("found").hidden = false;
  if (offset === 0) fill(title, `Searching for “${query}”…`);
  try {
    const found = await ask("GET", `/v1/items?q=${encodeURIComponent(query)}&k=${FOUND}&offset=${offset}`);
    const items = await describe(found.items);
    const cards = items.map((item) => card(item, { open: () => look(item, null), add: () => put(item, null) }));
    if (offset === 0) fill(byId("found-items"));
    byId("found-items").append(...cards);
    const shown = offset + items.length;
    fill(title, found.total === 0 ? `No product has “${query}”` : `${many(found.total, "product")} for “${query}”`);
    byId("found-more").hidden = shown >= found.total || items.length === 0;
    byId("found-more").onclick = () => search(query, shown);
    say(title.textContent);
    if (offset === 0) title.focus();
    else cards[0]?.querySelector("h3 button").focus();
  } catch (failure) {
    fill(title, `The search failed: ${failure.message}`);
    fill(byId("found-items"));
  }
}

async function step(number) {
  dialogs.close();
  try {
    const user = await ask("GET", `/page/users/${number}`);
    await begin(true, { ...user, history: user.history.map(learn), next: user.next.map(learn) });
    byId("main").focus({ preventScroll: true });
  } catch (failure) {
    trouble(`The test user could not be read: ${failure.message}`, () => step(number));
  }
}

/** Begin a visit: of a new visitor, of a test user, or the one that goes on after the page was loaded again. */
async function begin(fresh, testUser = null) {
  if (!(await start(fresh))) return;
  shop.testUser = testUser;
  if (testUser) sessionStorage.setItem("test-user", testUser.number);
  else sessionStorage.removeItem("test-user");
  shop.ranks = new Map();
  if (fresh) shop.basket = [];
  drawTruth(null);
  drawShop();
  drawPast();
  await refresh();
}

function drawShop() {
  const { name, items, categories, prices, methods, best_method: best, arms } = shop.about;
  document.title = `${name} – shoptalk`;
  fill(byId("shop-name"), name);
  fill(byId("foot"), `${many(items, "product")} · ${arms.length === 1 ? "run" : "runs"} ${arms.map((arm) => arm.name).join(", ")}`);
  const category = byId("category");
  if (category.options.length <= 1) category.append(...categories.map((one) => h("option", { value: one.name }, `${one.name} (${whole(one.items)})`)));
  category.parentElement.hidden = categories.length === 0;
  document.querySelectorAll(".filters .price").forEach((label) => (label.hidden = prices === null));
  byId("filters").hidden = categories.length === 0 && prices === null;
  const method = byId("method");
  if (method.options.length === 0) {
    method.append(...methods.map((one) => h("option", { value: one.name }, one.value === null ? one.label : `${one.label} (${one.value.toFixed(3)})`)));
    method.value = best;
  }
}

function listen() {
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const query = byId("query").value.trim();
    if (query) search(query);
  });
  byId("found-close").addEventListener("click", () => {
    byId("found").hidden = true;
    byId("query").value = "";
    byId("query").focus();
  });
  byId("basket").addEventListener("click", openBasket);
  byId("person").addEventListener("click", () => {
    const { test_users: count } = shop.about ?? { test_users: 0 };
    dialogs.people({
      count,
      known: Boolean(shop.testUser),
      load: async () => (await ask("GET", `/page/users?start=${Math.floor(Math.random() * count)}&k=8`)).users,
      step,
      leave: () => (dialogs.close(), begin(true)),
    });
  });
  byId("start-over").addEventListener("click", async () => {
    try {
      await ask("DELETE", "/page/visitor", {});
      await begin(true, shop.testUser);
      say("What was stored about you is erased.");
      byId("main").focus();
    } catch (failure) {
      trouble(`It could not be erased: ${failure.message}`, null);
    }
  });
  let timer;
  byId("filters").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => refresh(), 250);
  });
  byId("filters").addEventListener("reset", () => setTimeout(() => refresh()));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("method").addEventListener("change", () => shop.answer && compare(shop.answer, filters(), running.signal));
  window.addEventListener("online", () => (events.size ? events.retry() : shop.about && refresh()));
  dialogs.prepare((item) => (cardOf(item) ?? byId("picks").querySelector("h3 button"))?.focus());
}

async function goOn() {
  listen();
  const number = sessionStorage.getItem("test-user");
  let testUser = null;
  if (number !== null && (await start())) {
    try {
      const user = await ask("GET", `/page/users/${Number(number)}`);
      testUser = { ...user, history: user.history.map(learn), next: user.next.map(learn) };
    } catch {
      sessionStorage.removeItem("test-user");
    }
  }
  await begin(false, testUser);
}

goOn();

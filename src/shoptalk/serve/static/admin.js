// The dashboard: figures of the service, read with a key that stays in this tab.

import { ask, Failure } from "./api.js";
import { columns, lines, table } from "./charts.js";
import { byId, fill, h } from "./dom.js";
import { clock, many, milliseconds, sentence, share, whole } from "./text.js";

const KEY = "shoptalk-key";
const AGAIN = 60_000;
const KINDS = ["click", "basket", "purchase"];
const RATES = { click: "Click rate", basket: "Basket rate", purchase: "Purchase rate" };
const CERTAIN = { better: "better", worse: "worse", equivalent: "equivalent", undecided: "not decided", too_early: "too early", invalid: "not valid" };
let timer;

function trouble(message) {
  byId("trouble").hidden = message === null;
  fill(byId("trouble"), message);
}

async function read() {
  clearTimeout(timer);
  const key = sessionStorage.getItem(KEY);
  const query = new URLSearchParams({ hours: byId("hours").value, window: byId("window").value });
  try {
    const figures = await ask("GET", `/admin/figures?${query}`, undefined, { headers: key ? { Authorization: `Bearer ${key}` } : {} });
    trouble(null);
    const focused = byId("login").contains(document.activeElement);
    byId("login").hidden = true;
    byId("choices").hidden = false;
    draw(figures);
    fill(byId("said"), "The figures are up to date.");
    if (focused) byId("main").focus();
    timer = setTimeout(read, AGAIN);
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    if (failure.status === 401 || failure.status === 403) {
      sessionStorage.removeItem(KEY);
      byId("figures").hidden = true;
      byId("choices").hidden = true;
      byId("login").hidden = false;
      trouble(key ? failure.message : null);
      byId("key").focus();
      return;
    }
    trouble(`${sentence(failure.message)}${byId("figures").hidden ? "" : " The figures below are those read last."}`);
    timer = setTimeout(read, AGAIN / 4);
  }
}

function panel(size, title, about, ...content) {
  return h("section", { class: `panel ${size}`, "aria-label": title }, h("h2", {}, title), about ? h("p", { class: "muted" }, about) : null, content);
}

function draw(figures) {
  const { period } = figures;
  const answers = figures.answers.reduce((sum, one) => sum + one.answers, 0);
  const fallbacks = figures.answers.reduce((sum, one) => sum + one.fallbacks, 0);
  const events = Object.values(figures.events).flat().reduce((sum, one) => sum + one, 0);
  fill(byId("about"), `Version ${figures.version} · ${many(figures.items, "product")}, ${whole(figures.new_items)} added while serving · running since ${clock(figures.started)} · read at ${clock(figures.now)}`);
  const open = new Set([...document.querySelectorAll("#figures section:has(details[open])")].map((one) => one.getAttribute("aria-label")));
  byId("figures").hidden = false;
  fill(
    byId("figures"),
    tiles(figures, answers, fallbacks, events),
    panel("half", "Answers", `Lists of recommendations ${every(period)}`, overTime(period, figures.answers)),
    panel("half", "Time to answer", times(figures.times), histogram(figures.times)),
    panel("half", "Share of fallbacks", "Answers that popularity gave instead of the model: no history, an error, or a time-out", fallbackShare(period, figures.answers)),
    panel("half", "Events", `What customers did ${every(period)}`, eventColumns(period, figures.events)),
    experiment(figures),
    drift(figures),
    runs(figures.runs),
    rules(figures),
    panel("half", "Requests", "By route and status, since the service started, of all its processes", requests(figures.requests)),
  );
  document.querySelectorAll("#figures section").forEach((one) => {
    if (open.has(one.getAttribute("aria-label"))) one.querySelectorAll("details").forEach((details) => (details.open = true));
  });
}

function every({ width }) {
  const [unit, size] = width >= 86400 ? ["day", 86400] : width >= 3600 ? ["hour", 3600] : ["minute", 60];
  const number = Math.round(width / size);
  return number === 1 ? `per ${unit}` : `per ${number} ${unit}s`;
}

function tiles(figures, answers, fallbacks, events) {
  const requests = figures.requests.reduce((sum, one) => sum + one.requests, 0);
  const failed = figures.requests.filter(({ status }) => status.startsWith("5")).reduce((sum, one) => sum + one.requests, 0);
  const tile = (name, value, small) => h("div", { class: "tile" }, h("dt", {}, name), h("dd", {}, value, small ? h("div", { class: "small" }, small) : null));
  return h(
    "dl",
    { class: "tiles" },
    tile("Answers", whole(answers), "in this period"),
    tile("Fallbacks", answers ? share(fallbacks / answers) : "–", many(fallbacks, "answer")),
    tile("Half within", figures.times.p50 === null ? "–" : milliseconds(figures.times.p50), figures.times.p99 === null ? "" : `99 % within ${milliseconds(figures.times.p99)}`),
    tile("Events", whole(events), "in this period"),
    tile("Requests", whole(requests), "since the start"),
    tile("Server errors", whole(failed), "answers of 500 and above"),
  );
}

const shortTime = (period) => (at) => {
  const date = new Date(at * 1000);
  return period.end - period.start > 2 * 86400
    ? date.toLocaleDateString("en", { month: "short", day: "numeric" })
    : date.toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hour12: false });
};

const spread = (period, number) => Array.from({ length: number }, (_, index) => shortTime(period)(period.start + index * period.width));

function overTime(period, answers) {
  const labels = spread(period, answers.length);
  const total = answers.reduce((sum, one) => sum + one.answers, 0);
  return columns({
    title: `Answers ${every(period)}`,
    describe: `${many(total, "answer")} in ${many(labels.length, "column")}; at most ${whole(Math.max(...answers.map((one) => one.answers)))} in one.`,
    series: [
      { name: "by the model", values: answers.map((one) => one.answers - one.fallbacks) },
      { name: "fallbacks", values: answers.map((one) => one.fallbacks) },
    ],
    labels,
    format: whole,
    every: Math.ceil(labels.length / 6),
    heads: "From",
  });
}

const times = ({ answers, p50, p95, p99 }) =>
  answers === 0 ? "No answer in this period" : `${many(answers, "answer")}: half within ${milliseconds(p50)}, 95 % within ${milliseconds(p95)}, 99 % within ${milliseconds(p99)}`;

function histogram({ edges, counts, answers }) {
  const labels = [...edges.map((edge) => `≤ ${edge}`), `> ${edges.at(-1)}`];
  return columns({ title: "Answers by milliseconds", describe: `${many(answers, "answer")} by the time in milliseconds that they took.`, series: [{ name: "answers", values: counts }], labels, format: whole, heads: "Milliseconds" });
}

function fallbackShare(period, answers) {
  const points = answers.map((one) => ({ at: one.start + period.width / 2, ...wilson(one.fallbacks, one.answers) }));
  return lines({ title: `Share of fallbacks ${every(period)}`, describe: "The share of the answers that popularity gave, with its 95 % interval (Wilson).", series: [{ name: "fallbacks", points }], start: period.start, end: period.end, format: (value) => share(value, 0), time: shortTime(period) });
}

function wilson(successes, n) {
  if (n === 0) return { value: null };
  const z = 1.959964;
  const p = successes / n;
  const middle = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n))) / (1 + (z * z) / n);
  return { value: p, low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

function eventColumns(period, events) {
  const others = Object.keys(events).filter((kind) => !KINDS.includes(kind));
  const known = KINDS.filter((kind) => events[kind]);
  const series = known.map((kind) => ({ name: kind, values: events[kind] }));
  if (others.length) series.push({ name: "other", values: others.map((kind) => events[kind]).reduce((sum, one) => sum.map((value, index) => value + one[index])) });
  const bins = Math.round((period.end - period.start) / period.width);
  const labels = spread(period, bins);
  return columns({ title: `Events ${every(period)}`, describe: series.map(({ name, values }) => `${name}: ${whole(values.reduce((sum, one) => sum + one, 0))}`).join(", "), series, labels, format: whole, every: Math.ceil(bins / 6), heads: "From" });
}

function experiment({ experiment: found, period }) {
  if (found === null) return panel("wide", "Rates by arm", null, h("p", { class: "nothing" }, "No answer was stored yet."));
  const bad = found.sample_ratio?.mismatch;
  const pending = found.arms.reduce((sum, arm) => sum + arm.pending, 0);
  const plot = (kind) => {
    const series = found.arms.map(({ arm }) => ({
      name: arm,
      points: found.looks.map(({ at, arms }) => {
        const own = arms.find((one) => one.arm === arm);
        const rate = own?.users ? own.rates[kind] : null;
        return rate ? { at, value: rate.value, low: rate.low, high: rate.high } : { at, value: null };
      }),
    }));
    const now = found.arms.map((arm) => `${arm.arm}: ${arm.users ? share(arm.rates[kind].value) : "no user yet"}`).join(", ");
    return h(
      "div",
      { class: "panel third" },
      h("h3", {}, RATES[kind]),
      lines({ title: `${RATES[kind]} by arm`, describe: `Share of users, with intervals that hold at all times. Now ${now}.`, series, start: period.start, end: period.end, format: (value) => share(value, value > 0 && value < 0.1 ? 1 : 0), time: shortTime(period), width: 380 }),
    );
  };
  return h(
    "section",
    { class: "panel wide", "aria-label": "Rates by arm" },
    h("h2", {}, `Rates by arm, experiment ${found.experiment}`),
    h("p", { class: "muted" }, `Share of users with an event on something that was recommended, within the window after their first answer. The intervals may be looked at any time. ${many(pending, "user")} whose window is not over are not counted.`),
    h("p", { class: bad ? "verdict bad" : "verdict" }, found.verdict),
    found.warnings.length ? h("ul", {}, found.warnings.map((warning) => h("li", { class: "muted" }, warning))) : null,
    h("div", { class: "panels" }, KINDS.map(plot)),
    comparisons(found),
  );
}

function comparisons(found) {
  if (found.comparisons.length === 0) return null;
  const points = (value) => (value === null ? "–" : `${value < 0 ? "−" : "+"}${Math.abs(value * 100).toFixed(2)}`);
  return table(
    `${RATES[found.metric] ?? found.metric} against ${found.control}, in percentage points`,
    ["Arm", "Difference", "Interval", "Smallest that would show", "Judgement"],
    found.comparisons.map((one) => [one.arm, points(one.difference), one.low === null ? "not yet" : `${points(one.low)} to ${points(one.high)}`, points(one.detectable).replace("+", ""), CERTAIN[one.judgement] ?? one.judgement]),
  );
}

function drift({ drift: found, period }) {
  const half = (period.end - period.start) / found.parts.length / 2;
  const at = (part) => part.start + half;
  const events = `${many(found.all.events, found.kind)} in this period`;
  if (found.all.distance === null) {
    return panel("wide", "Drift against training", null, h("p", { class: "nothing" }, `${events}: at least ${found.least} are needed.`));
  }
  const { distance, chance, new_share: fresh } = found.all;
  const moved = distance > chance.high;
  return h(
    "section",
    { class: "panel wide", "aria-label": "Drift against training" },
    h("h2", {}, "Drift against training"),
    h("p", { class: moved ? "verdict bad" : "verdict" }, `${events}. ${moved ? "What customers choose differs from the training purchases by more than chance" : "What customers choose does not differ from the training purchases by more than chance"}: distance ${distance.toFixed(2)}, by chance ${chance.low.toFixed(2)} to ${chance.high.toFixed(2)}.`),
    h(
      "div",
      { class: "panels" },
      h(
        "div",
        { class: "panel half" },
        h("h3", {}, "Popularity"),
        lines({
          title: "Distance of the popularity from that of the training",
          describe: "Total variation distance of the shares of the products, from 0 (equal) to 1. The band is what chance alone gives for as many events as in the whole period.",
          series: [{ name: "distance", points: found.parts.map((part) => ({ at: at(part), value: part.distance, low: part.chance?.low, high: part.chance?.high })) }],
          start: period.start,
          end: period.end,
          format: (value) => value.toFixed(2),
          time: shortTime(period),
        }),
        h("p", { class: "muted" }, "Band: what chance alone would give."),
      ),
      h(
        "div",
        { class: "panel half" },
        h("h3", {}, "New products"),
        lines({
          title: "Share of events with products that were never bought in training",
          describe: `Now ${share(fresh.value)}; in the test purchases of the run ${share(found.trained_new_share)}.`,
          series: [{ name: "new products", points: found.parts.map((part) => ({ at: at(part), value: part.new_share?.value ?? null, low: part.new_share?.low, high: part.new_share?.high })) }],
          start: period.start,
          end: period.end,
          format: (value) => share(value, value > 0 && value < 0.1 ? 1 : 0),
          time: shortTime(period),
          reference: found.trained_new_share === null ? undefined : { value: found.trained_new_share },
        }),
        h("p", { class: "muted" }, found.trained_new_share === null ? "" : `Dashed: ${share(found.trained_new_share)}, the share in the test purchases of the run.`),
      ),
    ),
  );
}

function runs(found) {
  const rows = found.map((run) => [
    [run.name, " ", run.arms.length ? h("span", { class: "tag" }, "served") : null],
    run.changed ? clock(run.changed) : "–",
    run.metric ? `${run.metric.name} ${run.metric.value.toFixed(4)}` : "not evaluated",
    run.verdict ? h("span", { title: run.verdict.sentence }, `${run.verdict.symbol} ${run.verdict.title}`) : run.problem ?? "–",
    run.report ? h("a", { href: `/admin/reports/${encodeURIComponent(run.name)}?ticket=${run.report}`, target: "_blank", rel: "noopener" }, "Report") : "none",
  ]);
  return panel("wide", "Runs", "Those that are served, and others in the same folder, the newest first", table("Runs with their verdicts", ["Run", "Changed", "Result", "Verdict", "Report"], rows));
}

function rules({ rules: found, refused }) {
  const bad = Object.entries(refused);
  return panel(
    "half",
    "Rules",
    null,
    found.length ? table("Business rules in force", ["Rule", "Does", "For"], found.map((rule) => [rule.name, rule.what, rule.where])) : h("p", { class: "nothing" }, "There are no business rules: shoptalk serve --rules FILE."),
    bad.length ? h("div", {}, h("h3", {}, "Refused; the old one serves on"), h("ul", {}, bad.map(([what, message]) => h("li", {}, `${what}: ${message}`)))) : null,
  );
}

const requests = (found) => table("Requests since the start", ["Route", "Status", "Requests"], found.slice(0, 30).map((one) => [one.route, one.status, whole(one.requests)]));

byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, byId("key").value.trim());
  byId("key").value = "";
  read();
});
byId("choices").addEventListener("submit", (event) => {
  event.preventDefault();
  read();
});
byId("choices").addEventListener("change", read);
read();

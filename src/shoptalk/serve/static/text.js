// Numbers and dates as text.

const PRICE = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const price = (value) => (value === null || value === undefined ? "" : PRICE.format(value));
export const whole = (value) => WHOLE.format(value);
export const many = (count, one, more = `${one}s`) => `${whole(count)} ${count === 1 ? one : more}`;
export const share = (value, digits = 1) => (value === null || value === undefined ? "–" : `${(value * 100).toFixed(digits)} %`);

/** A text with a capital and a full stop. */
export function sentence(text) {
  const plain = text.trim();
  return plain === "" ? "" : plain[0].toUpperCase() + plain.slice(1) + (/[.!?]$/.test(plain) ? "" : ".");
}

/** Milliseconds with two significant digits. */
export function milliseconds(value) {
  return value < 10 ? `${value.toFixed(1)} ms` : `${WHOLE.format(value)} ms`;
}

/** An effect with its sign. */
export function signed(value) {
  const digits = Math.abs(value) >= 10 ? 1 : 2;
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
}

export function ordinal(rank) {
  const end = rank % 100 >= 11 && rank % 100 <= 13 ? "th" : { 1: "st", 2: "nd", 3: "rd" }[rank % 10] ?? "th";
  return `${rank}${end}`;
}

export const clock = (seconds) =>
  new Date(seconds * 1000).toLocaleString("en", { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });

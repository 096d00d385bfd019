// Requests to the service, and the queue of events.

const PATIENCE = 15_000;
const WAITS = [1_000, 2_000, 4_000, 8_000, 15_000];

/** Milliseconds until what has failed for a passing reason is tried again; `failed` is how often it had failed before. */
export function pause(failed) {
  return WAITS[Math.min(failed, WAITS.length - 1)];
}

/** An answer that is an error, or no answer (`status` 0). */
export class Failure extends Error {
  constructor(status, message, hint) {
    super(message);
    this.status = status;
    this.hint = hint ?? "";
  }

  /** Whether asking again later may help. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** The JSON of an answer. Requests end after 15 seconds, or with `signal`. */
export async function ask(method, path, body, { signal, headers } = {}) {
  const ends = AbortSignal.timeout(PATIENCE);
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, ends]) : ends,
      credentials: "same-origin",
      cache: "no-store",
    });
    const text = await response.text();
    const content = text ? JSON.parse(text) : null;
    if (response.ok) return content;
    const error = content?.error ?? {};
    throw new Failure(response.status, error.message ?? `the service answered ${response.status}`, error.hint);
  } catch (error) {
    if (error instanceof Failure || signal?.aborted) throw error;
    throw new Failure(0, "The service does not answer.");
  }
}

/** An id that nobody else has. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Sends events in order, again and again until they are stored: an event with the same id is stored once. */
export class EventQueue {
  #waiting = [];
  #running = false;
  #wake = () => {};

  /** `stored` is called when everything is stored, `trouble` with the failure and the number that waits. */
  constructor({ stored, trouble }) {
    this.stored = stored;
    this.trouble = trouble;
  }

  get size() {
    return this.#waiting.length;
  }

  add(...events) {
    this.#waiting.push(...events);
    if (!this.#running) this.#run();
  }

  /** Try again now. */
  retry() {
    this.#wake();
  }

  async #run() {
    this.#running = true;
    for (let failed = 0; this.#waiting.length > 0; ) {
      const batch = this.#waiting.slice(0, 100);
      try {
        await ask("POST", "/v1/events", { events: batch });
        failed = 0;
        this.#waiting.splice(0, batch.length);
      } catch (failure) {
        if (failure.passing) {
          this.trouble(failure, this.size);
          const wait = pause(failed++);
          await new Promise((resolve) => {
            const timer = setTimeout(resolve, wait);
            this.#wake = () => (clearTimeout(timer), resolve());
          });
        } else {
          this.#waiting.splice(0, batch.length); // sending them again would not help
          this.trouble(failure, this.size);
        }
      }
    }
    this.#running = false;
    this.stored();
  }
}

// The server's HTTP interface: requests with the key, problems as errors, event streams that go on
// after the connection was lost.

const KEY = "millrace-api-key";
const RECONNECT_MS = 1000;
const RECONNECT_MS_MAX = 30000;

export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export function apiKey() {
  try {
    return sessionStorage.getItem(KEY) || "";
  } catch {
    return "";
  }
}

export function setApiKey(value) {
  try {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  } catch {
    // A browser that keeps nothing: the key is then asked for again.
  }
}

export function headersWithKey(headers = {}) {
  const key = apiKey();
  return key ? { ...headers, Authorization: `Bearer ${key}` } : headers;
}

// What a problem document (RFC 9457) says, or else the status.
export function problemFrom(status, text) {
  let detail = "";
  try {
    const body = JSON.parse(text);
    detail = body.detail || body.title || "";
  } catch {
    detail = "";
  }
  return new Problem(status, detail || `The server answered with status ${status}.`);
}

export function reach(path, options = {}) {
  return fetch(path, { cache: "no-store", ...options, headers: headersWithKey(options.headers) })
    .catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, "The server cannot be reached.");
    });
}

export async function call(path, options = {}) {
  const response = await reach(path, options);
  const text = await response.text();
  if (!response.ok) throw problemFrom(response.status, text);
  return text ? JSON.parse(text) : null;
}

export const get = (path) => call(path);
export const remove = (path) => call(path, { method: "DELETE" });
export const send = (path, body, method = "POST") =>
  call(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

// The parser of text/event-stream (WHATWG HTML, section 9.2).
export class EventParser {
  constructor(onEvent) {
    this.onEvent = onEvent;
    this.buffer = "";
    this.lastId = "";
    this.retry = 0;
    this.clear();
  }

  clear() {
    this.name = "";
    this.data = [];
  }

  feed(text) {
    this.buffer += text;
    for (;;) {
      const match = /\r\n|\n|\r/.exec(this.buffer);
      // A carriage return at the end may be half of a line break.
      if (!match || (match[0] === "\r" && match.index === this.buffer.length - 1)) return;
      const line = this.buffer.slice(0, match.index);
      this.buffer = this.buffer.slice(match.index + match[0].length);
      this.line(line);
    }
  }

  line(line) {
    if (line === "") {
      if (this.data.length > 0) {
        this.onEvent({ id: this.lastId, name: this.name || "message", data: this.data.join("\n") });
      }
      this.clear();
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "event") this.name = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id" && !value.includes("\0")) this.lastId = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

// Reads an event stream by fetch (an EventSource cannot send the key) until `onEvent` returns false
// or the signal aborts. When the connection is lost it goes on after the last event it saw.
// `onState` hears "open" and "lost". Throws a Problem that trying again would not mend.
export async function followEvents(path, { onEvent, onState = () => {}, signal }) {
  let done = false;
  let failures = 0;
  const parser = new EventParser((event) => {
    failures = 0;
    if (!done && onEvent(event) === false) done = true;
  });
  while (!done && !signal.aborted) {
    try {
      const headers = { Accept: "text/event-stream" };
      if (parser.lastId) headers["Last-Event-ID"] = parser.lastId;
      const response = await reach(path, { headers, signal });
      if (!response.ok) throw problemFrom(response.status, await response.text());
      onState("open");
      parser.buffer = "";
      parser.clear();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      while (!done) {
        const { value, done: ended } = await reader.read();
        if (ended) break;
        parser.feed(value);
      }
      if (done) reader.cancel().catch(() => {});
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status >= 400 && error.status < 500) throw error;
    }
    if (done || signal.aborted) return;
    onState("lost");
    failures += 1;
    const wait = Math.min((parser.retry || RECONNECT_MS) * 2 ** (failures - 1), RECONNECT_MS_MAX);
    await pause(wait, signal);
  }
}

export const collectionPath = (collection) => `/v1/collections/${encodeURIComponent(collection)}`;
export const documentPath = (collection, id) =>
  `${collectionPath(collection)}/documents/${encodeURIComponent(id)}`;

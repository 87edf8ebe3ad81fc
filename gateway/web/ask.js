// The right half: questions, and answers as they arrive.

import { Problem, collectionPath, followEvents, remove, send } from "./api.js";
import { openPassage } from "./passage.js";
import { byId, element, plural, report } from "./view.js";

const TURNS_MAX = 50;

let current = null; // {id, collection, abort}

// ---- one question and its answer ----

class Turn {
  constructor(collection, question) {
    this.collection = collection;
    this.text = "";
    this.passages = [];
    this.citations = [];
    this.answer = element("div", { className: "turn-answer writing" });
    this.notes = element("div", { className: "turn-notes" });
    this.failure = element("p", { className: "turn-error" });
    this.failure.hidden = true;
    this.sources = element("details", { className: "sources" });
    this.sources.hidden = true;
    this.row = element("article", { className: "turn", "aria-busy": "true" },
      element("p", { className: "turn-question", text: question }),
      this.answer, this.failure, this.notes, this.sources);
  }

  reset() {
    this.text = "";
    this.answer.replaceChildren();
    this.note("taken over by another worker, answering again");
  }

  note(text, kind = "") {
    this.notes.append(element("span", { className: `pill ${kind}`.trim(), text }));
  }

  // As it streams: text only. Numbers become links once it is known what they cite.
  append(text) {
    this.text += text;
    this.answer.append(text);
  }

  showPassages(passages, partial) {
    this.passages = passages;
    if (partial) this.note("part of the index did not answer in time", "bad");
    if (passages.length === 0) return;
    this.sources.hidden = false;
    this.sources.replaceChildren(
      element("summary", { text: plural(passages.length, "passage", "passages") + " found" }),
      ...passages.map((passage, i) => this.source(passage, i + 1)));
  }

  source(passage, number) {
    const title = passage.title || passage.name || passage.document_id;
    const page = passage.page ? `, page ${passage.page}` : "";
    const button = element("button", { type: "button", className: "source" },
      element("span", { className: "source-head", text: `[${number}] ${title}${page}` }),
      element("span", { className: "source-text", text: passage.text }));
    button.addEventListener("click", () => openPassage(this.collection, passage));
    return button;
  }

  // Each number in the text, in order, opens the next citation that carries it.
  linked(text) {
    const used = new Map();
    const parts = [];
    let from = 0;
    for (const match of text.matchAll(/\[(\d+(?:\s*,\s*\d+)*)\]/g)) {
      const numbers = match[1].split(",").map((part) => Number(part.trim()));
      const links = numbers.map((number) => this.link(number, used)).filter(Boolean);
      if (links.length === 0) continue;
      parts.push(text.slice(from, match.index).replace(/ $/, ""), ...links);
      from = match.index + match[0].length;
    }
    parts.push(text.slice(from));
    return parts;
  }

  link(number, used) {
    const mine = this.citations.filter((citation) => citation.number === number);
    if (mine.length === 0) return null;
    const seen = used.get(number) || 0;
    used.set(number, seen + 1);
    const citation = mine[Math.min(seen, mine.length - 1)];
    const page = citation.page ? `, page ${citation.page}` : "";
    const button = element("button", {
      type: "button", className: "cite", text: String(number),
      "aria-label": `Open source ${number}: ${citation.title || citation.document_id}${page}`,
      title: citation.quote,
    });
    button.addEventListener("click", () => openPassage(this.collection, citation));
    return button;
  }

  complete(answer) {
    this.citations = answer.citations;
    this.answer.replaceChildren(...this.linked(answer.answer));
    if (answer.refused) this.note("no answer in the documents");
    else this.note(`confidence ${Math.round(answer.confidence * 100)} %`);
    if (answer.needs_human_review) this.note("check this yourself", "bad");
    this.note(answer.model);
    this.note(`${(answer.took_ms / 1000).toFixed(2)} s`);
    const tokens = answer.usage.prompt_tokens + answer.usage.completion_tokens;
    if (tokens > 0) this.note(plural(tokens, "token", "tokens"));
    this.end();
  }

  fail(message, cancelled = false) {
    if (cancelled) {
      this.note("stopped");
    } else {
      this.failure.textContent = message;
      this.failure.hidden = false;
    }
    this.end();
  }

  end() {
    this.answer.classList.remove("writing");
    this.row.removeAttribute("aria-busy");
  }
}

// False: it was the last event.
function take(turn, event) {
  const content = JSON.parse(event.data);
  switch (event.name) {
    case "passages":
      turn.showPassages(content.passages, content.partial);
      return true;
    case "delta":
      turn.append(content.text);
      return true;
    case "reset":
      turn.reset();
      return true;
    case "completed":
      turn.complete(content);
      return false;
    case "failed":
      turn.fail(content.message || content.reason, content.reason === "cancelled");
      return false;
    default:
      return true;
  }
}

function busy(asking) {
  byId("send").disabled = asking;
  byId("stop").hidden = !asking;
}

function addTurn(turn) {
  const turns = byId("turns");
  byId("ask-empty").hidden = true;
  turns.prepend(turn.row);
  while (turns.childElementCount > TURNS_MAX) turns.lastElementChild.remove();
}

async function ask(collection, question) {
  const turn = new Turn(collection, question);
  const abort = new AbortController();
  current = { id: "", abort, turn };
  addTurn(turn);
  busy(true);
  const began = performance.now();
  let first = 0;
  try {
    const accepted = await send(`${collectionPath(collection)}/queries`,
      { question, mode: byId("mode").value, explain: true });
    current.id = accepted.id;
    if (current.stopped) await cancel();
    await followEvents(accepted.events_url, {
      signal: abort.signal,
      onEvent: (event) => {
        if (event.name === "delta" && !first) {
          first = performance.now() - began;
          byId("timing").textContent = `first words after ${Math.round(first)} ms`;
        }
        return take(turn, event);
      },
    });
  } catch (error) {
    turn.fail(error.message);
    if (error instanceof Problem && error.status === 401) report(error);
  } finally {
    turn.end();
    current = null;
    busy(false);
    byId("question").focus();
  }
}

// The server ends the stream with `failed`, reason "cancelled".
async function cancel() {
  try {
    await remove(`/v1/queries/${encodeURIComponent(current.id)}`);
  } catch (error) {
    if (error.status !== 404 && error.status !== 409) report(error);
  }
}

export function startAsking(collectionNow) {
  const question = byId("question");
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = question.value.trim();
    if (!text || current) return;
    question.value = "";
    ask(collectionNow(), text);
  });
  question.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    byId("ask").requestSubmit();
  });
  byId("stop").addEventListener("click", () => {
    if (!current) return;
    current.stopped = true;
    if (current.id) cancel();
  });
  document.addEventListener("keydown", (event) => {
    const free = !document.querySelector("dialog[open]");
    if (event.key === "Escape" && free && current && current.id) cancel();
    if (event.key === "/" && free && !/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) {
      event.preventDefault();
      question.focus();
    }
  });
}

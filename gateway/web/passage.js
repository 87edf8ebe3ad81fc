// The cited passage, in its document, with what is quoted marked.

import { documentPath, get } from "./api.js";
import { byId, element, report } from "./view.js";

let shown = 0;

function where(found) {
  const parts = [];
  if (found.page) parts.push(`page ${found.page}`);
  parts.push(`characters ${found.start.toLocaleString()}–${found.end.toLocaleString()}`);
  parts.push(`revision ${found.revision}`);
  if (found.explanation) parts.push(scored(found));
  return parts.join(" · ");
}

function scored({ score, explanation: legs }) {
  const part = (weight, leg) => `${legs[weight].toFixed(2)} × ${legs[leg].toFixed(2)}`;
  return `score ${score.toFixed(2)} = ${part("dense_weight", "dense")} by meaning + ` +
    `${part("lexical_weight", "lexical")} by words` +
    (legs.rerank === undefined ? "" : `, re-ranked by ${legs.rerank.toFixed(2)}`) +
    (legs.rerank_failure ? `, not re-ranked: ${legs.rerank_failure}` : "");
}

function fill(found) {
  byId("passage-title").textContent = found.title || found.name || found.document_id;
  byId("passage-where").textContent = where(found);
  const mark = element("mark", { text: found.text });
  byId("passage-text").replaceChildren(
    found.before ? `${found.before}` : "", mark, found.after ? `${found.after}` : "");
  mark.scrollIntoView({ block: "center" });
}

// `span`: a citation or a passage: {document_id, revision, start, end, title, page, quote | text,
// score?, explanation?}.
export async function openPassage(collection, span) {
  shown += 1;
  const mine = shown;
  const dialog = byId("passage");
  if (!dialog.open) dialog.showModal();
  fill({ ...span, text: span.quote || span.text || "", before: "", after: "" });
  try {
    const query = new URLSearchParams({
      revision: span.revision, start: String(span.start), end: String(span.end), context: "600",
    });
    const found = await get(`${documentPath(collection, span.document_id)}/text?${query}`);
    const { score, explanation } = span;
    if (mine === shown) fill({ ...found, page: found.page || span.page, score, explanation });
  } catch (error) {
    if (mine !== shown) return;
    if (error.status === 404) {
      byId("passage-where").textContent =
        "This revision is no longer kept: here is what was quoted.";
    } else {
      report(error);
    }
  }
}

export function startPassage() {
  const dialog = byId("passage");
  byId("passage-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}

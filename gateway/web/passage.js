// The cited passage, in its document, with what is quoted marked.

import { documentPath, get } from "./api.js";
import { byId, element, report } from "./view.js";

let shown = 0;

function where(found) {
  const parts = [];
  if (found.page) parts.push(`page ${found.page}`);
  parts.push(`characters ${found.start.toLocaleString()}–${found.end.toLocaleString()}`);
  parts.push(`revision ${found.revision}`);
  return parts.join(" · ");
}

function fill(found) {
  byId("passage-title").textContent = found.title || found.name || found.document_id;
  byId("passage-where").textContent = where(found);
  const mark = element("mark", { text: found.text });
  byId("passage-text").replaceChildren(
    found.before ? `${found.before}` : "", mark, found.after ? `${found.after}` : "");
  mark.scrollIntoView({ block: "center" });
}

// `span`: a citation or a passage: {document_id, revision, start, end, title, page, quote | text}.
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
    if (mine === shown) fill({ ...found, page: found.page || span.page });
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

// What failed: dead letters, for keys that may see them.

import { get, problemFrom, reach, remove, send } from "./api.js";
import { byId, bytes, confirmed, element, plural, report, toast } from "./view.js";

const PATH = "/v1/dead-letters";
const PAGE = 50;
const REVOKE_MS = 60000;

let next = "";

const pathOf = (letter) => `${PATH}/${encodeURIComponent(letter.id)}`;

function nameOf(letter) {
  return letter.document_id ? `${letter.collection} / ${letter.document_id}` : letter.id;
}

function action(text, letter, work) {
  const button = element("button", {
    type: "button", className: "quiet", text, "aria-label": `${text}: ${nameOf(letter)}`,
  });
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await work();
    } catch (error) {
      report(error);
    }
    button.disabled = false;
  });
  return button;
}

// By fetch, which can send the key.
async function download(letter) {
  const response = await reach(letter.bytes_url);
  if (!response.ok) throw problemFrom(response.status, await response.text());
  const url = URL.createObjectURL(await response.blob());
  element("a", { href: url, download: letter.id }).click();
  setTimeout(() => URL.revokeObjectURL(url), REVOKE_MS);
}

function facts(letter) {
  const rows = [["Record", letter.id], ["Key", letter.key || letter.key_base64],
    ["Attempts", letter.attempts], ["Size", bytes(letter.bytes)], ["Trace", letter.trace_id]];
  for (const one of letter.headers) rows.push([one.name, one.value ?? one.value_base64]);
  for (const one of letter.history) rows.push(["Came of", one]);
  const shown = rows.filter(([, value]) => value !== undefined && value !== "");
  return shown.map(([name, value]) => `${name}: ${value}`).join("\n");
}

async function toggle(entry) {
  if (entry.details) {
    entry.details.remove();
    entry.details = null;
    return;
  }
  const letter = await get(pathOf(entry.letter));
  entry.details = element("pre", { className: "shown row-detail", text: facts(letter), tabindex: "0" });
  entry.row.append(entry.details);
}

function forget(entry) {
  entry.row.remove();
  byId("letters-empty").hidden = byId("letter-list").childElementCount > 0;
}

function draw(entry) {
  const { letter, row } = entry;
  const waits = letter.state === "waiting";
  const buttons = element("span", { className: "row-buttons" },
    action("Show", letter, () => toggle(entry)));
  if (waits) {
    buttons.append(action("Bytes", letter, () => download(letter)));
    buttons.append(action("Redrive", letter, async () => {
      entry.letter = await send(`${pathOf(letter)}/redrive`, {});
      draw(entry);
    }));
  }
  buttons.append(action("Purge", letter, async () => {
    if (!(await confirmed(`Delete the dead letter of “${nameOf(letter)}”? Its bytes are gone then.`))) return;
    await remove(pathOf(letter));
    forget(entry);
  }));
  const when = new Date(letter.at).toLocaleString();
  const state = waits ? "waiting" : `redriven ${new Date(letter.redriven.at).toLocaleString()}`;
  entry.details = null;
  row.replaceChildren(
    element("span", { className: "row-name", text: nameOf(letter) }),
    buttons,
    element("span", { className: "row-detail bad", text: letter.message }),
    element("span", { className: "row-detail", text: `${letter.stage} · ${letter.kind} · ${when} · ${state}` }),
  );
}

async function loadMore() {
  const cursor = next ? `&cursor=${encodeURIComponent(next)}` : "";
  const page = await get(`${PATH}?limit=${PAGE}${cursor}`);
  for (const letter of page.dead_letters) {
    const entry = { letter, row: element("li", { className: "row" }), details: null };
    draw(entry);
    byId("letter-list").append(entry.row);
  }
  next = page.next || "";
  byId("letters-more").hidden = !next;
  byId("letters-empty").hidden = byId("letter-list").childElementCount > 0;
}

async function reload() {
  next = "";
  byId("letter-list").replaceChildren();
  await loadMore();
}

async function redriveAll() {
  let done = 0;
  let skipped = 0;
  let cursor = "";
  do {
    const answer = await send(`${PATH}/redrive`, cursor ? { state: "waiting", cursor } : { state: "waiting" });
    done += answer.redriven;
    skipped += answer.skipped;
    for (const one of answer.reasons) toast(`${one.id}: ${one.reason}`);
    cursor = answer.next || "";
  } while (cursor);
  toast(`${plural(done, "dead letter", "dead letters")} redriven, ${skipped.toLocaleString()} skipped`);
  await reload();
}

// Shows the way in to keys that may see dead letters.
export async function offerLetters() {
  const open = byId("letters-open");
  try {
    await get(`${PATH}?limit=1`);
    open.hidden = false;
  } catch {
    open.hidden = true;
  }
}

export function startLetters() {
  const dialog = byId("letters");
  byId("letters-open").addEventListener("click", () => {
    dialog.showModal();
    reload().catch(report);
  });
  byId("letters-close").addEventListener("click", () => dialog.close());
  byId("letters-more").addEventListener("click", () => loadMore().catch(report));
  byId("letters-redrive").addEventListener("click", () => redriveAll().catch(report));
}

// The left half: uploads and their progress, the list of documents.

import { collectionPath, documentPath, followEvents, get, headersWithKey, problemFrom, remove }
  from "./api.js";
import { byId, bytes, confirmed, element, plural, report, toast } from "./view.js";

const UPLOADS_AT_ONCE = 3;
const FILES_MAX = 5000;
const PAGE = 100;
const STEPS = ["accepted", "extracted", "chunked", "embedded", "indexed"];
const GONE = ["deleted", "erased"];
const WORDS = {
  waiting: "waiting",
  uploading: "uploading",
  accepted: "accepted",
  extracted: "text read",
  chunked: "cut into chunks",
  embedded: "embedded",
  indexed: "ready",
  deleted: "deleted",
  erased: "erased",
  failed: "failed",
};

let collection = "";
let following = null; // AbortController of the progress stream
let next = "";
const documents = new Map(); // id: {status, row}
const uploads = []; // {file, name, state, sent, error, id, revision, row}
const early = new Map(); // revision: status that came before its upload's answer did
const EARLY_MAX = 1000;

// ---- progress ----

function progressOf(state) {
  const step = STEPS.indexOf(state);
  return step < 0 ? 0 : (step + 1) / STEPS.length;
}

function apply(status) {
  const upload = uploads.find((one) => one.revision && one.revision === status.revision);
  if (upload) {
    upload.state = status.state;
    upload.error = status.error || "";
    drawUpload(upload);
  } else {
    early.set(status.revision, status);
    if (early.size > EARLY_MAX) early.delete(early.keys().next().value);
  }
  if (GONE.includes(status.state)) forget(status.id);
  else show(status, true);
  countSoon();
}

function follow() {
  if (following) following.abort();
  following = new AbortController();
  const { signal } = following;
  const pill = byId("connection");
  followEvents(`${collectionPath(collection)}/events`, {
    signal,
    onEvent: (event) => {
      if (STEPS.includes(event.name) || GONE.includes(event.name) || event.name === "failed") {
        apply(JSON.parse(event.data));
      } else if (event.name === "reset") {
        reload();  // what happened in between is not kept any more
      }
    },
    onState: (state) => {
      pill.textContent = state === "open" ? "live" : "reconnecting";
      pill.className = state === "open" ? "pill good" : "pill bad";
    },
  }).catch((error) => {
    pill.textContent = error.status === 401 ? "needs a key" : "not connected";
    pill.className = "pill bad";
    if (error.status !== 401) report(error);
  });
}

// ---- list ----

function describe(status) {
  const parts = [WORDS[status.state] || status.state];
  if (status.pages > 0) parts.push(plural(status.pages, "page", "pages"));
  if (status.chunks > 0) parts.push(plural(status.chunks, "chunk", "chunks"));
  parts.push(bytes(status.bytes));
  return parts.join(" · ");
}

function draw(entry) {
  const { status, row } = entry;
  const name = status.title || status.name || status.id;
  const failed = status.state === "failed";
  const button = element("button", {
    type: "button", className: "quiet", text: "Delete", "aria-label": `Delete ${name}`,
  });
  button.addEventListener("click", () => discard(status.id, name));
  row.replaceChildren(
    element("span", { className: "row-name", text: name }),
    button,
    element("span", {
      className: failed ? "row-detail bad" : "row-detail",
      text: failed ? `${WORDS.failed}: ${status.error}` : describe(status),
    }),
  );
  if (!failed && status.state !== "indexed") {
    row.append(element("progress", {
      max: "1", value: String(progressOf(status.state)), "aria-label": `Progress of ${name}`,
    }));
  }
}

function show(status, newest) {
  if (status.removal && status.state !== "failed") return;
  const known = documents.get(status.id);
  if (known) {
    if (status.updated_at < known.status.updated_at) return;
    known.status = status;
    draw(known);
    return;
  }
  const entry = { status, row: element("li", { className: "row" }) };
  documents.set(status.id, entry);
  draw(entry);
  if (newest) byId("document-list").prepend(entry.row);
  else byId("document-list").append(entry.row);
  byId("documents-empty").hidden = true;
}

function forget(id) {
  const entry = documents.get(id);
  if (!entry) return;
  entry.row.remove();
  documents.delete(id);
  byId("documents-empty").hidden = documents.size > 0;
}

async function discard(id, name) {
  if (!(await confirmed(`Delete “${name}”? Its text leaves every answer from now on.`))) return;
  try {
    await remove(documentPath(collection, id));
    forget(id);
    countSoon();
  } catch (error) {
    report(error);
  }
}

async function loadMore() {
  const of = collection;
  const after = next ? `&after=${encodeURIComponent(next)}` : "";
  const page = await get(`${collectionPath(of)}/documents?limit=${PAGE}${after}`);
  if (of !== collection) return;
  for (const status of page.documents) show(status, false);
  next = page.next || "";
  byId("documents-more").hidden = !next;
  byId("documents-empty").hidden = documents.size > 0;
}

let counting = 0;
function countSoon() {
  clearTimeout(counting);
  counting = setTimeout(async () => {
    try {
      const now = await get(collectionPath(collection));
      const parts = [plural(now.documents, "document", "documents"),
        plural(now.chunks, "chunk", "chunks")];
      if (now.pending > 0) parts.push(`${now.pending.toLocaleString()} under way`);
      if (now.failed > 0) parts.push(`${now.failed.toLocaleString()} failed`);
      byId("counts").textContent = parts.join(" · ");
    } catch {
      byId("counts").textContent = "";
    }
  }, 300);
}

async function reload() {
  next = "";
  documents.clear();
  byId("document-list").replaceChildren();
  try {
    await loadMore();
    countSoon();
  } catch (error) {
    // A collection that nobody has written to yet is an empty one.
    byId("documents-empty").hidden = false;
    if (error.status !== 404) report(error);
  }
}

export async function openCollection(name) {
  collection = name;
  follow();
  await reload();
}

// ---- uploads ----

function drawUpload(upload) {
  const { row, state } = upload;
  const failed = state === "failed";
  const busy = !failed && state !== "indexed" && !GONE.includes(state);
  const detail = failed ? `${WORDS.failed}: ${upload.error}` : WORDS[state] || state;
  row.replaceChildren(
    element("span", { className: "row-name", text: upload.name }),
    element("span", { className: state === "indexed" ? "pill good" : failed ? "pill bad" : "pill",
      text: failed ? "failed" : detail }),
  );
  if (failed) row.append(element("span", { className: "row-detail bad", text: upload.error }));
  if (busy) {
    const share = state === "uploading" ? upload.sent * 0.2 : 0.2 + 0.8 * progressOf(state);
    row.append(element("progress", {
      max: "1", value: String(state === "waiting" ? 0 : share),
      "aria-label": `Progress of ${upload.name}`,
    }));
  }
}

// By XMLHttpRequest, since fetch does not tell how much has been sent.
function transfer(upload) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${collectionPath(upload.collection)}/documents`);
    for (const [name, value] of Object.entries(headersWithKey())) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => {
      upload.sent = event.lengthComputable ? event.loaded / event.total : 0;
      drawUpload(upload);
    };
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) {
        resolve(JSON.parse(request.responseText).documents[0]);
      } else {
        reject(problemFrom(request.status, request.responseText));
      }
    };
    request.onerror = () => reject(new Error("The connection was lost; try again."));
    const form = new FormData();
    // The server tells the type from the name and the bytes; what a browser guesses is no help.
    form.append("file", new Blob([upload.file], { type: "application/octet-stream" }), upload.name);
    request.send(form);
  });
}

async function run(upload) {
  upload.state = "uploading";
  drawUpload(upload);
  try {
    const accepted = await transfer(upload);
    upload.id = accepted.id;
    upload.revision = accepted.revision;
    upload.state = "accepted";
    const known = early.get(accepted.revision);
    if (known) {
      early.delete(accepted.revision);
      upload.state = known.state;
      upload.error = known.error || "";
    }
  } catch (error) {
    upload.state = "failed";
    upload.error = error.message;
    if (error.status === 401) report(error);
  }
  upload.file = null;
  drawUpload(upload);
}

let running = 0;
function pump() {
  while (running < UPLOADS_AT_ONCE) {
    const upload = uploads.find((one) => one.state === "waiting");
    if (!upload) return;
    running += 1;
    run(upload).finally(() => {
      running -= 1;
      pump();
    });
  }
}

function add(files) {
  if (files.length > FILES_MAX) {
    toast(`Only the first ${FILES_MAX} of ${files.length} files: use “millrace add” for more.`);
  }
  for (const file of [...files].slice(0, FILES_MAX)) {
    const upload = {
      file, name: file.webkitRelativePath || file.name, collection,
      state: "waiting", sent: 0, error: "", id: "", revision: "",
      row: element("li", { className: "row" }),
    };
    if (file.size === 0) {
      upload.state = "failed";
      upload.error = "the file is empty";
    }
    uploads.push(upload);
    drawUpload(upload);
    byId("upload-list").append(upload.row);
  }
  byId("uploads").hidden = uploads.length === 0;
  pump();
}

function clearFinished() {
  for (let i = uploads.length - 1; i >= 0; i -= 1) {
    if (!["indexed", "failed", ...GONE].includes(uploads[i].state)) continue;
    uploads[i].row.remove();
    uploads.splice(i, 1);
  }
  byId("uploads").hidden = uploads.length === 0;
}

// Every file of a dropped folder, its subfolders too.
async function filesIn(entry, found) {
  if (found.length > FILES_MAX) return;
  if (entry.isFile) {
    found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const one of some) await filesIn(one, found);
  }
}

async function dropped(event) {
  const entries = [...event.dataTransfer.items]
    .map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
  if (entries.length === 0) {
    add(event.dataTransfer.files);
    return;
  }
  const found = [];
  try {
    for (const entry of entries) await filesIn(entry, found);
  } catch {
    toast("Some of the dropped files could not be read.");
  }
  add(found);
}

export function startDocuments() {
  const drop = byId("drop");
  for (const name of ["dragenter", "dragover"]) {
    window.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) {
    window.addEventListener(name, (event) => {
      event.preventDefault();
      if (name === "drop" || event.relatedTarget === null) drop.classList.remove("over");
    });
  }
  window.addEventListener("drop", dropped);
  for (const [button, input] of [["choose-files", "files"], ["choose-folder", "folder"]]) {
    byId(button).addEventListener("click", () => byId(input).click());
    byId(input).addEventListener("change", (event) => {
      add(event.target.files);
      event.target.value = "";
    });
  }
  byId("uploads-clear").addEventListener("click", clearFinished);
  byId("documents-more").addEventListener("click", () => loadMore().catch(report));
}

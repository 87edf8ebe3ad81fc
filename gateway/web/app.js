// Puts the page together: collections, the key, and the two halves.

import { apiKey, collectionPath, get, send, setApiKey } from "./api.js";
import { startAsking } from "./ask.js";
import { openCollection, startDocuments } from "./documents.js";
import { offerLetters, startLetters } from "./letters.js";
import { startPassage } from "./passage.js";
import { byId, element, report } from "./view.js";

const DEFAULT = "default";

function collectionNow() {
  return byId("collection").value || DEFAULT;
}

async function loadCollections(wanted) {
  let names = [DEFAULT];
  try {
    const { collections } = await get("/v1/collections");
    names = [...new Set([DEFAULT, ...collections.map((one) => one.name)])].sort();
  } catch (error) {
    report(error);
  }
  if (!names.includes(wanted)) wanted = names.includes(DEFAULT) ? DEFAULT : names[0];
  const picker = byId("collection");
  picker.replaceChildren(...names.map((name) => element("option", { value: name, text: name })));
  picker.value = wanted;
  location.hash = wanted === DEFAULT ? "" : encodeURIComponent(wanted);
  await openCollection(wanted);
  await offerLetters();
}

function wantedFromAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1)) || DEFAULT;
  } catch {
    return DEFAULT;
  }
}

function startKey() {
  const dialog = byId("key");
  const value = byId("key-value");
  byId("key-open").addEventListener("click", () => {
    value.value = apiKey();
    dialog.showModal();
    value.select();
  });
  byId("key-forget").addEventListener("click", () => {
    setApiKey("");
    dialog.close();
    loadCollections(collectionNow());
  });
  byId("key-form").addEventListener("submit", () => {
    setApiKey(value.value.trim());
    value.value = "";
    loadCollections(collectionNow());
  });
}

function startCollections() {
  const dialog = byId("new-collection");
  byId("collection").addEventListener("change", () => loadCollections(collectionNow()));
  byId("collection-new").addEventListener("click", () => {
    byId("new-name").value = "";
    dialog.showModal();
  });
  byId("new-cancel").addEventListener("click", () => dialog.close());
  byId("new-form").addEventListener("submit", async () => {
    const name = byId("new-name").value;
    try {
      await send(collectionPath(name), {}, "PUT");
      await loadCollections(name);
    } catch (error) {
      report(error);
    }
  });
}

startKey();
startCollections();
startDocuments();
startPassage();
startLetters();
startAsking(collectionNow);
loadCollections(wantedFromAddress());

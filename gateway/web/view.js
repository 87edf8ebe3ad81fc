// Small pieces of the page. Text goes in as text, never as markup.

export const byId = (id) => document.getElementById(id);

export function element(tag, { className = "", text = "", ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const TOAST_MS = 12000;
const TOASTS_MAX = 4;

export function toast(message) {
  const box = byId("toasts");
  const close = element("button", { type: "button", text: "✕", "aria-label": "Dismiss" });
  const made = element("div", { className: "toast" }, element("span", { text: message }), close);
  close.addEventListener("click", () => made.remove());
  while (box.childElementCount >= TOASTS_MAX) box.firstElementChild.remove();
  box.append(made);
  setTimeout(() => made.remove(), TOAST_MS);
}

export function report(error) {
  if (error.name === "AbortError") return;
  const why = error.status === 401 ? `${error.message} Enter an API key at the top.` : error.message;
  toast(why);
}

// True when the person says yes.
export function confirmed(question) {
  const dialog = byId("confirm");
  byId("confirm-text").textContent = question;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

export function bytes(count) {
  if (count < 1024) return `${count} B`;
  if (count < 1024 * 1024) return `${(count / 1024).toFixed(0)} KB`;
  return `${(count / 1024 / 1024).toFixed(1)} MB`;
}

export const plural = (count, one, many) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

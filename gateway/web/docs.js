// The API as its OpenAPI description has it, each route with a form to try it.

import { apiKey, reach, setApiKey } from "./api.js";
import { byId, element, report } from "./view.js";

const VERBS = ["get", "put", "post", "delete"];
const DEPTH_MAX = 6;
const SHOWN_BYTES_MAX = 200000;

let spec = null;

// `$ref: "#/components/KIND/NAME"`, followed.
function resolved(node) {
  for (let hops = 0; node && node.$ref && hops < DEPTH_MAX; hops += 1) {
    node = node.$ref.slice(2).split("/").reduce((at, part) => at && at[part], spec);
  }
  return node || {};
}

// ---- schemas ----

function typeOf(schema) {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const parts = schema.oneOf || schema.anyOf;
  if (parts) return parts.map((part) => typeOf(resolved(part))).join(" or ");
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type || "any";
  if (type === "array") return `array of ${typeOf(resolved(schema.items || {}))}`;
  const limits = [];
  if (schema.minimum !== undefined) limits.push(`from ${schema.minimum}`);
  if (schema.maximum !== undefined) limits.push(`to ${schema.maximum}`);
  if (schema.maxLength !== undefined) limits.push(`at most ${schema.maxLength} characters`);
  if (schema.default !== undefined) limits.push(`default ${JSON.stringify(schema.default)}`);
  return limits.length ? `${type} (${limits.join(", ")})` : type;
}

function schemaList(given, depth = 0) {
  const schema = resolved(given);
  const list = element("ul", { className: "schema" });
  const inner = schema.type === "array" ? resolved(schema.items) : schema;
  const required = inner.required || [];
  for (const [name, one] of Object.entries(inner.properties || {})) {
    const property = resolved(one);
    const row = element("li", {},
      element("code", { text: name }),
      element("span", { className: "muted", text: ` ${typeOf(property)}` }));
    if (required.includes(name)) row.append(element("span", { className: "pill", text: "required" }));
    if (property.description) row.append(element("div", { className: "muted", text: property.description }));
    const nested = property.type === "array" ? resolved(property.items) : property;
    if (nested.properties && depth < DEPTH_MAX) row.append(schemaList(nested, depth + 1));
    list.append(row);
  }
  return list;
}

// Something of the right shape to begin with.
function example(given, depth = 0) {
  const schema = resolved(given);
  if (schema.example !== undefined) return schema.example;
  if (schema.const !== undefined) return schema.const;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  const parts = schema.oneOf || schema.anyOf;
  if (parts) return example(parts[0], depth);
  if (depth > DEPTH_MAX) return null;
  if (schema.type === "array") return [example(schema.items || {}, depth + 1)];
  if (schema.type === "object" || schema.properties) {
    const required = schema.required || [];
    const names = Object.keys(schema.properties || {});
    const wanted = required.length ? names.filter((name) => required.includes(name)) : names;
    return Object.fromEntries(
      wanted.map((name) => [name, example(schema.properties[name], depth + 1)]));
  }
  if (schema.type === "integer" || schema.type === "number") return schema.minimum ?? 1;
  if (schema.type === "boolean") return false;
  return "";
}

// ---- a route ----

function bodySection(title, content) {
  const section = element("div", {}, element("h4", { text: title }));
  for (const [type, one] of Object.entries(content)) {
    section.append(element("p", {}, element("code", { text: type })));
    const schema = resolved(one.schema || {});
    const list = schemaList(schema);
    if (list.childElementCount > 0) section.append(list);
    else section.append(element("p", { className: "muted", text: schema.description || typeOf(schema) }));
  }
  return section;
}

function parameterTable(parameters) {
  const table = element("table", {},
    element("thead", {}, element("tr", {},
      ...["Parameter", "In", "Type", "Meaning"].map((text) => element("th", { text, scope: "col" })))));
  const rows = element("tbody");
  for (const one of parameters) {
    rows.append(element("tr", {},
      element("td", {}, element("code", { text: one.required ? `${one.name} *` : one.name })),
      element("td", { text: one.in }),
      element("td", { text: typeOf(resolved(one.schema || {})) }),
      element("td", { text: one.description || "" })));
  }
  table.append(rows);
  return table;
}

function responses(operation) {
  const section = element("div", {}, element("h4", { text: "Responses" }));
  for (const [status, one] of Object.entries(operation.responses || {})) {
    const response = resolved(one);
    section.append(element("p", {}, element("strong", { text: status }),
      element("span", { text: ` ${response.description || ""}` })));
    for (const [type, media] of Object.entries(response.content || {})) {
      section.append(element("p", { className: "muted" }, element("code", { text: type })));
      const list = schemaList(media.schema || {});
      if (list.childElementCount > 0) section.append(list);
    }
  }
  return section;
}

// ---- trying it ----

class Trial {
  constructor(verb, path, parameters, operation) {
    this.verb = verb;
    this.path = path;
    this.inputs = parameters.map((parameter) => ({ parameter, input: this.field(parameter) }));
    this.content = (operation.requestBody && resolved(operation.requestBody).content) || null;
    this.shown = element("pre", { className: "shown", tabindex: "0", "aria-live": "polite" });
    this.shown.hidden = true;
    this.form = this.build();
  }

  field(parameter) {
    const schema = resolved(parameter.schema || {});
    const input = element("input", { type: "text", autocomplete: "off", spellcheck: "false" });
    input.required = Boolean(parameter.required);
    if (parameter.in === "path" && parameter.name === "c") input.value = "default";
    else if (schema.default !== undefined) input.placeholder = String(schema.default);
    return input;
  }

  build() {
    const form = element("form", { className: "try" }, element("h4", { text: "Try it" }));
    for (const { parameter, input } of this.inputs) {
      form.append(element("label", {},
        element("span", { text: `${parameter.name} (${parameter.in})` }), input));
    }
    if (this.content) this.addBody(form);
    const send = element("button", { type: "submit", text: `Send ${this.verb.toUpperCase()}` });
    this.stop = element("button", { type: "button", className: "quiet", text: "Stop" });
    this.stop.hidden = true;
    this.stop.addEventListener("click", () => this.abort && this.abort.abort());
    form.append(element("div", { className: "buttons" }, this.stop, send), this.shown);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.run().catch(report);
    });
    return form;
  }

  addBody(form) {
    this.type = element("select", {},
      ...Object.keys(this.content).map((type) => element("option", { value: type, text: type })));
    this.text = element("textarea", { rows: "6", spellcheck: "false" });
    this.file = element("input", { type: "file" });
    const textLabel = element("label", {}, element("span", { text: "Body" }), this.text);
    const fileLabel = element("label", {}, element("span", { text: "File" }), this.file);
    const choose = () => {
      const type = this.type.value;
      const asText = /json|^text\//.test(type);
      textLabel.hidden = !asText;
      fileLabel.hidden = asText;
      if (asText) this.text.value = this.begin(type);
    };
    this.type.addEventListener("change", choose);
    form.append(element("label", {}, element("span", { text: "Content-Type" }), this.type),
      textLabel, fileLabel);
    choose();
  }

  begin(type) {
    const made = example(this.content[type].schema || {});
    if (type === "application/x-ndjson") return JSON.stringify(made);
    return type.includes("json") ? JSON.stringify(made, null, 2) : "";
  }

  request() {
    let path = this.path;
    const query = new URLSearchParams();
    const headers = {};
    for (const { parameter, input } of this.inputs) {
      if (input.value === "") continue;
      if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (parameter.in === "query") query.set(parameter.name, input.value);
      else headers[parameter.name] = input.value;
    }
    const options = { method: this.verb.toUpperCase(), headers };
    if (this.content) {
      const type = this.type.value;
      const file = this.file.files[0];
      if (type === "multipart/form-data") {
        options.body = new FormData();
        if (file) options.body.append("file", new Blob([file]), file.name);
      } else {
        headers["Content-Type"] = type;
        options.body = /json|^text\//.test(type) ? this.text.value : file || "";
      }
    }
    const search = query.toString();
    return { path: search ? `${path}?${search}` : path, options };
  }

  async run() {
    const { path, options } = this.request();
    this.abort = new AbortController();
    this.stop.hidden = false;
    this.shown.hidden = false;
    this.shown.textContent = "…";
    const began = performance.now();
    try {
      const response = await reach(path, { ...options, signal: this.abort.signal });
      const ms = Math.round(performance.now() - began);
      this.shown.textContent = `${options.method} ${path}\n${response.status} after ${ms} ms\n\n`;
      await this.showBody(response);
    } catch (error) {
      if (error.name !== "AbortError") this.shown.textContent = error.message;
      else this.shown.append("\n(stopped)");
    } finally {
      this.stop.hidden = true;
    }
  }

  async showBody(response) {
    const type = response.headers.get("content-type") || "";
    if (type.includes("json")) {
      const text = await response.text();
      try {
        this.shown.append(JSON.stringify(JSON.parse(text), null, 2).slice(0, SHOWN_BYTES_MAX));
      } catch {
        this.shown.append(text.slice(0, SHOWN_BYTES_MAX));
      }
      return;
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let length = 0; length < SHOWN_BYTES_MAX;) {
      const { value, done } = await reader.read();
      if (done) return;
      length += value.length;
      this.shown.append(value);
    }
    await reader.cancel();
    this.shown.append("\n(cut here)");
  }
}

function route(path, verb, operation, shared) {
  const parameters = [...shared, ...(operation.parameters || [])].map(resolved);
  const row = element("details", { className: "route" },
    element("summary", {},
      element("span", { className: `verb ${verb}`, text: verb.toUpperCase() }),
      element("code", { text: path }),
      element("span", { className: "muted", text: ` ${operation.summary || ""}` })));
  // Filled when it is opened: most never are.
  row.addEventListener("toggle", () => {
    if (!row.open || row.dataset.filled) return;
    row.dataset.filled = "yes";
    if (operation.description) row.append(element("p", { text: operation.description }));
    if (parameters.length > 0) row.append(parameterTable(parameters));
    const content = operation.requestBody && resolved(operation.requestBody).content;
    if (content) row.append(bodySection("Request", content));
    row.append(responses(operation), new Trial(verb, path, parameters, operation).form);
  });
  return row;
}

function show() {
  byId("description").textContent = spec.info.description || "";
  const routes = byId("routes");
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const verb of VERBS.filter((one) => one in item)) {
      routes.append(route(path, verb, item[verb], item.parameters || []));
    }
  }
}

byId("key-value").value = apiKey();
byId("key-value").addEventListener("change", (event) => setApiKey(event.target.value.trim()));
byId("filter").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const row of byId("routes").children) {
    row.hidden = !row.firstElementChild.textContent.toLowerCase().includes(wanted);
  }
});
fetch("/web/openapi.json")
  .then((response) => response.json())
  .then((found) => {
    spec = found;
    show();
  })
  .catch(report);

// One file on the page: its name, how far it is, and what can be done with it.

import { bytes } from "./upload_checks.js";

// States in which nothing more happens by itself.
export const SETTLED = ["done", "existing", "refused", "failed", "duplicate", "cancelled"];
const TAGS = { done: "done", existing: "done", refused: "failed", failed: "failed", duplicate: "stale" };
const RUNNING = ["checking", "sending", "finishing"];
let described = 0; // files whose names describe buttons

export class Row {
  constructor(template, name, size, say) {
    this.say = say;
    this.size = size;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.part("name").textContent = name;
    this.part("size").textContent = size === null ? "" : bytes(size);
  }

  // `actions`: [label, what to do] pairs that become buttons. `more`: links after the first.
  show(state, { text = "", link = null, more = [], actions = [] } = {}) {
    const tag = this.part("state");
    this.state = state;
    this.element.dataset.state = state;
    tag.className = `bo-tag bo-${TAGS[state] ?? (RUNNING.includes(state) ? "running" : "none")}`;
    tag.textContent = state === "sending" ? "" : this.say(state);
    tag.hidden = state === "sending";
    const bar = this.part("bar");
    bar.hidden = state !== "sending";
    const links = [link, ...more].filter(Boolean).flatMap((each, index) => [index ? " · " : "", anchor(each)]);
    this.part("text").replaceChildren(...[text, ...links].filter(Boolean));
    this.part("actions").replaceChildren(...actions.map(([label, act]) => button(label, this.part("name"), act)));
  }

  progress(sent, speed) {
    const bar = this.part("bar");
    bar.max = this.size;
    bar.value = sent;
    const figures = { sent: bytes(sent), size: bytes(this.size), speed: bytes(speed) };
    this.part("text").textContent = this.say("sending", figures);
  }

  part(name) {
    return this.element.querySelector(`[data-part="${name}"]`);
  }
}

export function anchor({ url, text }) {
  const element = document.createElement("a");
  element.href = url;
  element.textContent = text;
  return element;
}

export function button(label, about, act) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "bo-button";
  element.textContent = label;
  if (about) element.setAttribute("aria-describedby", (about.id ||= `bo-file-${(described += 1)}`));
  element.addEventListener("click", act);
  return element;
}

// Follows the jobs of a list that are not over.

import { follow, say, tag } from "./follow.js";

const list = document.querySelector("[data-figures-url]");
const live = () => [...document.querySelectorAll("[data-live]")].map((state) => state.dataset.live);

if (live().length) follow(url, show, () => {});

function url() {
  return `${list.dataset.figuresUrl}?${new URLSearchParams(live().map((pk) => ["job", pk]))}`;
}

function show(now) {
  for (const job of now.jobs) showJob(job);
  const obstacles = document.querySelector(".bo-obstacles");
  if (obstacles) showObstacles(obstacles, now.obstacles);
  return live().length > 0 && now.jobs.length > 0;
}

function showJob(job) {
  const part = (name) => document.querySelector(`[data-of="${job.id}"][data-part="${name}"]`);
  tag(part("state"), job.css, job.label);
  if (!job.moves) delete part("state").dataset.live;
  part("bar").value = job.percent;
  for (const [name, text] of Object.entries(job.texts)) {
    if (part(name)) say(part(name), text);
  }
}

function showObstacles(box, sentences) {
  const shown = [...box.children].map((line) => line.textContent);
  if (shown.join() === sentences.join()) return;
  box.replaceChildren(...sentences.map((sentence) => Object.assign(document.createElement("p"), { textContent: sentence })));
}

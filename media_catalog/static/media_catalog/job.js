// Follows a job: asks for its figures as long as they may change, and writes them where they stand on the page.
// Stops as well, and says why, when it is answered that there is nothing to follow any more.

import { follow, say, tag } from "./follow.js";

const job = document.getElementById("job");
const part = (name) => document.querySelector(`[data-job="${name}"]`);
const grouped = new Intl.NumberFormat(document.documentElement.lang);

if ("moves" in job.dataset) follow(url, show, lost);

function url() {
  // The page's own query string, so that the items answered are those of the page shown.
  return job.dataset.progressUrl + location.search;
}

function lost(why) {
  say(part("lost"), why ? part("lost").dataset[why] : "");
}

function show(now) {
  tag(part("state"), now.css, now.label);
  part("bar").value = now.percent;
  for (const [name, text] of Object.entries(now.texts)) say(document.querySelector(`[data-text="${name}"]`), text);
  for (const [state, count] of Object.entries(now.counts)) {
    say(document.querySelector(`[data-count="${state}"]`), grouped.format(count));
  }
  for (const form of document.querySelectorAll("[data-action]")) {
    form.hidden = !now.actions.includes(form.dataset.action);
  }
  for (const [cls, figures] of Object.entries(now.costs)) showCost(cls, figures);
  showItems(now.items);
  return now.moves;
}

function showCost(cls, figures) {
  const row = document.querySelector(`[data-cost="${cls}"]`);
  if (!row) return;
  for (const [name, count] of Object.entries(figures)) {
    say(row.querySelector(`[data-cell="${name}"]`), grouped.format(count));
  }
}

function showItems(items) {
  const rows = new Map([...document.querySelectorAll("[data-item]")].map((row) => [row.dataset.item, row]));
  for (const item of items) {
    const row = rows.get(String(item.id));
    if (row) showItem(row, item);
    rows.delete(String(item.id));
  }
  // In a list of one state, rows that are not answered any more have moved on to another.
  for (const row of rows.values()) row.classList.add("bo-moved");
  part("moved").hidden &&= rows.size === 0 && items.every(isShown);
}

function isShown(item) {
  return document.querySelector(`[data-item="${item.id}"]`) !== null;
}

function showItem(row, item) {
  tag(row.querySelector('[data-cell="state"]'), item.state, item.label);
  for (const name of ["message", "next_try", "code", "attempts", "duration", "requests"]) {
    say(row.querySelector(`[data-cell="${name}"]`), String(item[name]));
  }
}

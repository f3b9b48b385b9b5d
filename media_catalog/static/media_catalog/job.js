// Follows a job: asks for its figures until it is finished or parked, and writes them where they stand on the page.
// Stops as well, and says why, when it is answered that there is nothing to follow any more.

const PAUSE = 1000;
const PAUSE_AFTER_ERROR = 5000; // milliseconds

const job = document.getElementById("job");
const part = (name) => document.querySelector(`[data-job="${name}"]`);

if (!["finished", "parked"].includes(job.dataset.state)) setTimeout(poll, PAUSE);

async function poll() {
  try {
    const answer = await fetchProgress();
    const end = endOf(answer);
    const now = end ? null : await answer.json();
    if (now) show(now);
    say(part("lost"), end ? part("lost").dataset[end] : "");
    if (now && !now.finished) setTimeout(poll, PAUSE);
  } catch {
    say(part("lost"), part("lost").dataset.away);
    setTimeout(poll, PAUSE_AFTER_ERROR);
  }
}

function fetchProgress() {
  // The page's own query string, so that the items answered are those of the page shown.
  const url = job.dataset.progressUrl + location.search;
  return fetch(url, { headers: { Accept: "application/json" }, redirect: "manual" });
}

function endOf(answer) {
  if (answer.type === "opaqueredirect") return "login"; // nothing else is redirected
  if ([403, 404].includes(answer.status)) return "gone";
  if (!answer.ok) throw new Error(answer.statusText);
  return "";
}

function show(now) {
  tag(part("state"), now.state, now.label);
  part("bar").value = now.percent;
  say(part("summary"), now.summary);
  if (now.started) say(part("started"), now.started);
  if (now.ended) say(part("ended"), now.ended);
  for (const [state, count] of Object.entries(now.counts)) {
    say(document.querySelector(`[data-count="${state}"]`), String(count));
  }
  showItems(now.items);
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
  say(row.querySelector('[data-cell="message"]'), item.message);
  say(row.querySelector('[data-cell="requests"]'), String(item.requests));
}

function tag(element, state, label) {
  element.className = `bo-tag bo-${state}`;
  say(element, label);
}

function say(element, text) {
  // Unchanged text is left alone, so that screen readers do not read it again.
  if (element.textContent !== text) element.textContent = text;
}

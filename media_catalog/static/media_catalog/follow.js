// Asks for what has changed, again and again while the page is looked at, and hands the answers over.

const PAUSE = 1000;
const PAUSE_AFTER_ERROR = 5000; // milliseconds

// `show` takes an answer and says whether to go on. `lost` is told "away" when there was none, "" when there is one
// again, and at the end "login" or "gone" when there will be no more.
export async function follow(url, show, lost) {
  let pause = PAUSE;
  for (let goOn = true; goOn; ) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    await untilLookedAt();
    try {
      const answer = await fetch(url(), { headers: { Accept: "application/json" }, redirect: "manual" });
      const end = endOf(answer);
      goOn = !end && show(await answer.json());
      lost(end);
      pause = PAUSE;
    } catch {
      lost("away");
      pause = PAUSE_AFTER_ERROR;
    }
  }
}

export function say(element, text) {
  // Unchanged text is left alone, so that screen readers do not read it again.
  if (element.textContent !== text) element.textContent = text;
}

export function tag(element, css, label) {
  element.className = `bo-tag bo-${css}`;
  say(element, label);
}

function untilLookedAt() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

function endOf(answer) {
  if (answer.type === "opaqueredirect") return "login"; // nothing else is redirected
  if ([403, 404].includes(answer.status)) return "gone";
  if (!answer.ok) throw new Error(answer.statusText);
  return "";
}

// Talking: JSON with the server, and a form with S3.

export class Failure extends Error {
  // `contact`: whether anybody answered at all.
  constructor(message, { contact = true } = {}) {
    super(message);
    this.contact = contact;
  }
}

// POSTs JSON to one of the page's addresses. Throws a Failure with the server's own words where it has some.
export async function ask(url, body, token, say) {
  const headers = { "Content-Type": "application/json", "X-CSRFToken": token };
  const options = { method: "POST", headers, body: JSON.stringify(body), redirect: "manual" };
  const answer = await fetch(url, options).catch(() => {
    throw new Failure(say("serverAway"));
  });
  if (answer.type === "opaqueredirect") throw new Failure(say("loggedOut"));
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Failure(told.reason || say("serverAway"));
  return told;
}

// Sends a file by a signed form. `progress` gets the bytes sent. Returns at once: `promise`, and `abort` to stop it.
export function send(file, type, form, progress, say) {
  const request = new XMLHttpRequest();
  const promise = new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", (event) => progress(Math.min(event.loaded, file.size)));
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) resolve(true);
      else reject(new Failure(refusal(request, say)));
    });
    request.addEventListener("error", () => reject(new Failure(say("noContact"), { contact: false })));
    request.addEventListener("abort", () => resolve(false));
    request.open("POST", form.url);
    request.send(body(file, type, form.fields));
  });
  return { promise, abort: () => request.abort() };
}

function body(file, type, fields) {
  const data = new FormData();
  for (const [name, value] of Object.entries({ "Content-Type": type, ...fields })) data.append(name, value);
  data.append("file", file); // S3 ignores what comes after it
  return data;
}

function refusal(request, say) {
  const code = /<Code>(\w+)<\/Code>/.exec(request.responseText)?.[1];
  if (code === "AccessDenied" && request.responseText.includes("Policy expired")) return say("formGone");
  return say("s3Refused", { status: code ? `${request.status} ${code}` : String(request.status) });
}

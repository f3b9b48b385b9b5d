// What can be found out about a file before a byte is sent. The server checks all of it again.

const HEAD_BYTES = 64;
const AVIF = /^[^]{4}ftyp(?:avi[fs]|(?:mif1|msf1)[^]{4,32}?avi[fs])/; // as the server: mif1 and msf1 are HEIC's, too
const SIGNATURES = [
  { type: "image/jpeg", matches: (bytes) => starts(bytes, [0xff, 0xd8, 0xff]) },
  { type: "image/png", matches: (bytes) => starts(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) },
  { type: "image/webp", matches: (bytes) => ascii(bytes, 0, "RIFF") && ascii(bytes, 8, "WEBP") },
  { type: "image/tiff", matches: (bytes) => ascii(bytes, 0, "II*\0") || ascii(bytes, 0, "MM\0*") },
  { type: "image/gif", matches: (bytes) => ascii(bytes, 0, "GIF8") },
  { type: "image/avif", matches: (bytes) => AVIF.test(String.fromCharCode(...bytes)) },
];
// What is chosen by mistake, so that it can be named. The server knows more of them.
const OTHERS = [
  { name: "HEIC", pattern: /^[^]{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)/ },
  { name: "PDF", pattern: /^%PDF-/ },
  { name: "ZIP", pattern: /^PK(?:\x03\x04|\x05\x06)/ },
  { name: "BMP", pattern: /^BM/ },
  { name: "SVG", pattern: /^\s*(?:<\?[^]*?\?>\s*)?<(?:!doctype\s+)?svg\b/i },
  { name: "HTML", pattern: /^\s*<(?:!doctype\s+)?(?:html|head|body|script)\b/i },
];

export class Refusal extends Error {}

// The file's type by its content and, where the page may compute it, the SHA-256 of its content. Throws a Refusal.
export async function check(file, bucket, config, say) {
  if (file.size === 0) throw new Refusal(say("empty"));
  if (file.size > config.maxBytes) {
    throw new Refusal(say("tooLarge", { size: bytes(file.size), limit: bytes(config.maxBytes) }));
  }
  const content = await file.arrayBuffer().catch(() => {
    throw new Refusal(say("unreadable"));
  });
  const head = new Uint8Array(content, 0, Math.min(HEAD_BYTES, content.byteLength));
  const type = typeOf(head);
  if (!config.types.includes(type)) {
    const looksLike = type || otherThan(head);
    throw new Refusal(looksLike ? say("looksLike", { looks_like: looksLike }) : say("notImage"));
  }
  await checkRule(file, bucket, say);
  return { type, sha256: await digest(content) };
}

// In words: "4.2 MB".
export function bytes(count) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const step = Math.min(units.length - 1, count >= 1 ? Math.floor(Math.log2(count) / 10) : 0);
  const display = step ? "short" : "long"; // the short form of byte is not put in the plural
  const format = { style: "unit", unit: units[step], unitDisplay: display, maximumFractionDigits: step > 1 ? 1 : 0 };
  return new Intl.NumberFormat(document.documentElement.lang, format).format(count / 1024 ** step);
}

function typeOf(head) {
  return SIGNATURES.find((signature) => signature.matches(head))?.type ?? "";
}

function otherThan(head) {
  const text = String.fromCharCode(...head);
  return OTHERS.find(({ pattern }) => pattern.test(text))?.name ?? "";
}

async function checkRule(file, bucket, say) {
  if (bucket.rule === "none") return;
  const picture = await createImageBitmap(file).catch(() => null); // upright, as browsers show it
  if (!picture) return; // this browser cannot show the format: the server decides
  const { width, height } = picture;
  picture.close();
  const wanted = { width: bucket.width, height: bucket.height, actual: `${width} × ${height}` };
  const rules = {
    exact: [width === bucket.width && height === bucket.height, "ruleExact"],
    minimum: [width >= bucket.width && height >= bucket.height, "ruleMinimum"],
    maximum: [width <= bucket.width && height <= bucket.height, "ruleMaximum"],
  };
  const [fits, text] = rules[bucket.rule];
  if (!fits) throw new Refusal(say(text, wanted));
}

async function digest(content) {
  if (!globalThis.crypto?.subtle) return ""; // neither HTTPS nor localhost: duplicates are not looked for
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function starts(head, wanted) {
  return wanted.every((byte, index) => head[index] === byte);
}

function ascii(head, offset, text) {
  return [...text].every((letter, index) => head[offset + index] === letter.charCodeAt(0));
}

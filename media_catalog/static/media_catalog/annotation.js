// A face's box and its row in the table light up together, whichever is pointed at or focused.

const parts = [...document.querySelectorAll("[data-face]")];

function mark(number, on) {
  for (const part of parts) {
    if (part.dataset.face === number) part.classList.toggle("is-on", on);
  }
}

for (const part of parts) {
  const number = part.dataset.face;
  for (const event of ["pointerenter", "focusin"]) part.addEventListener(event, () => mark(number, true));
  for (const event of ["pointerleave", "focusout"]) part.addEventListener(event, () => mark(number, false));
  part.addEventListener("click", () => rowOf(number)?.focus());
}

function rowOf(number) {
  return parts.find((part) => part.dataset.face === number && part.matches("tr"));
}

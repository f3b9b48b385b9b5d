// The upload page: shows what was chosen before it is sent, and that it is being sent.

const form = document.getElementById("upload-form");
if (form) {
  const input = form.elements.images;
  input.addEventListener("change", () => list([...input.files]));
  form.addEventListener("submit", () => busy(true));
  window.addEventListener("pageshow", () => busy(false)); // also on return by the Back button
  list([...input.files]);
}

function list(files) {
  const box = form.querySelector("[data-files]");
  const total = form.querySelector("[data-files-total]");
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  const words = files.length === 1 ? total.dataset.one : total.dataset.many;
  total.textContent = words.replace("%(count)s", files.length).replace("%(size)s", size(bytes));
  form.querySelector("[data-files-list]").replaceChildren(...files.map(row));
  box.hidden = files.length === 0;
}

function row(file) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  const bytes = document.createElement("span");
  name.textContent = file.name;
  bytes.textContent = size(file.size);
  item.append(name, bytes);
  return item;
}

function size(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const step = Math.min(units.length - 1, bytes ? Math.floor(Math.log2(bytes) / 10) : 0);
  const display = step ? "short" : "long"; // the short form of byte is not put in the plural
  const format = { style: "unit", unit: units[step], unitDisplay: display, maximumFractionDigits: 1 };
  return new Intl.NumberFormat(document.documentElement.lang, format).format(bytes / 1024 ** step);
}

function busy(on) {
  const note = form.querySelector("[data-uploading]");
  form.querySelector("[type=submit]").disabled = on;
  note.textContent = on ? note.dataset.text : "";
  if (on) note.append(document.createElement("progress"));
}

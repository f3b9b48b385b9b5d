// The upload page with a script: files go straight to S3. Without one, the form goes to the server.

import { Batch } from "./upload_batch.js";

const form = document.getElementById("upload-form");
if (form) {
  const batch = new Batch(form, JSON.parse(document.getElementById("upload-config").textContent));
  chooseFiles(batch);
  dropFiles(batch);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    batch.start();
  });
  for (const row of document.querySelectorAll("[data-unfinished]")) offer(row, batch);
  addEventListener("beforeunload", (event) => {
    if (batch.running) event.preventDefault();
  });
}

function chooseFiles(batch) {
  const input = form.elements.images;
  input.required = false; // files are kept in the list, not in the field
  const take = () => {
    batch.add([...input.files]);
    input.value = "";
  };
  input.addEventListener("change", take);
  if (input.files.length) take(); // chosen before this script ran
}

function dropFiles(batch) {
  const zone = document.querySelector('[data-upload="zone"]');
  zone.hidden = false;
  for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, (event) => over(event, zone, true));
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, (event) => over(event, zone, false));
  zone.addEventListener("drop", (event) => batch.add([...event.dataTransfer.files]));
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
}

function over(event, zone, on) {
  event.preventDefault();
  zone.classList.toggle("is-over", on);
}

// An upload that an earlier visit has left open: what has come is found by a look, what has not needs its file again.
function offer(element, batch) {
  const { unfinished: uuid, name } = element.dataset;
  const adopt = (file) => {
    const upload = batch.insert(file, name, file?.size ?? null);
    upload.uuid = uuid;
    element.remove();
    return upload;
  };
  element.querySelector("[data-act=look]").addEventListener("click", async () => {
    await adopt(null).look();
  });
  element.querySelector("[data-act=file]").addEventListener("change", async (event) => {
    await adopt(event.target.files[0]).again();
  });
  element.querySelector("[data-act=discard]").addEventListener("click", async () => {
    await batch.ask("cancel", { uuid }).catch((error) => batch.notice(error.message));
    element.remove();
  });
  element.querySelector("[data-acts]").hidden = false;
}

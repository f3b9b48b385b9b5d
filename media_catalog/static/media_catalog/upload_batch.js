// All files of the page: asked for together, sent a few at a time, counted, and followed by one job.

import { Row, SETTLED, anchor, button } from "./upload_row.js";
import { Failure, ask } from "./upload_send.js";
import { Upload } from "./upload_file.js";

const PARALLEL = 3;

export class Batch {
  constructor(form, config) {
    this.form = form;
    this.config = config;
    this.uploads = [];
    this.queue = [];
    this.running = 0;
    this.hasContact = false; // whether S3 has taken a file from this page
    this.told = new Set(); // uuids whose job was asked for
    this.part = (name) => document.querySelector(`[data-upload="${name}"]`);
    this.say = (name, facts = {}) => config.texts[name].replace(/%\((\w+)\)[sd]/g, (_all, key) => facts[key]);
  }

  get bucket() {
    return this.config.buckets[this.form.elements.bucket.value];
  }

  get makesRenditions() {
    return this.form.elements.make_renditions?.checked ?? false;
  }

  ask(name, body) {
    return ask(this.config.urls[name], body, this.form.elements.csrfmiddlewaretoken.value, this.say);
  }

  add(files) {
    const room = this.config.maxFiles - this.uploads.filter((upload) => !SETTLED.includes(upload.row.state)).length;
    for (const file of files.slice(0, room)) this.insert(file, file.name, file.size).wait();
    const left = files.length - Math.max(0, Math.min(room, files.length));
    this.notice(left ? this.say("tooMany", { limit: this.config.maxFiles, count: left }) : "");
    this.count();
  }

  insert(file, name, size) {
    const row = new Row(this.part("template"), name, size, this.say);
    const upload = new Upload(file, row, this);
    this.uploads.push(upload);
    this.part("list").append(row.element);
    return upload;
  }

  remove(upload) {
    this.uploads.splice(this.uploads.indexOf(upload), 1);
    upload.row.element.remove();
    this.count();
  }

  // Asks for all that wait, and sends what the server lets through. Nothing is sent when the quota refuses.
  async start() {
    const waiting = this.uploads.filter((upload) => upload.row.state === "waiting" && !upload.form);
    const bucket = this.bucket;
    this.notice("");
    this.busy(true);
    const good = [];
    for (const upload of waiting) if (await upload.check(bucket)) good.push(upload); // one at a time: each is read
    await this.begin(good);
    this.busy(false);
  }

  async begin(uploads) {
    if (!uploads.length) return;
    const { bucket, folder, caption } = this.form.elements;
    const files = uploads.map((upload) => upload.description);
    const renditions = this.makesRenditions;
    const body = { bucket: bucket.value, folder: folder.value, caption: caption.value, renditions, files };
    try {
      const answers = await this.ask("begin", body);
      uploads.forEach((upload, index) => upload.take(answers.files[index]));
      this.send(uploads.filter((upload) => upload.form));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.notice(error.message);
      for (const upload of uploads) upload.wait();
    }
  }

  // A file once more: by its own form while that is good.
  async again(upload) {
    try {
      if (upload.uuid) {
        const answer = await this.ask("sign_again", { uuid: upload.uuid });
        if (answer.state === "ready") return await this.resume(upload, answer);
        if (answer.state === "sent") return await upload.finish();
        upload.uuid = upload.form = null;
      }
      if (upload.facts || (await upload.check(this.bucket))) await this.begin([upload]);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      upload.fail(error.message);
    }
  }

  async resume(upload, form) {
    if (!upload.facts && !(await upload.check(this.bucket))) return;
    upload.form = form;
    this.send([upload]);
  }

  send(uploads) {
    this.queue.push(...uploads);
    while (this.running < PARALLEL && this.queue.length) this.next();
  }

  async next() {
    this.running += 1;
    try {
      while (this.queue.length) await this.queue.shift().run();
    } finally {
      this.running -= 1;
    }
    if (!this.running) await this.followUp();
  }

  async followUp() {
    const done = this.uploads.filter((upload) => upload.row.state === "done" && !this.told.has(upload.uuid));
    if (!done.length) return;
    const uuids = done.map((upload) => upload.uuid);
    for (const uuid of uuids) this.told.add(uuid);
    const said = done.length === 1 ? this.say("oneUploaded") : this.say("manyUploaded", { count: done.length });
    const links = [];
    if (this.makesRenditions) links.push(await this.job(uuids));
    this.part("result").replaceChildren(said, ...links.filter(Boolean).flatMap((link) => [" ", link]));
    this.part("result").hidden = false;
  }

  async job(uuids) {
    try {
      const { url } = await this.ask("start_renditions", { uuids });
      return anchor({ url, text: this.say("followJob") });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.notice(error.message);
      return null;
    }
  }

  gotThrough() {
    if (!this.hasContact && this.saysCors) this.notice("");
    this.hasContact = true;
  }

  lostContact() {
    if (this.hasContact) return; // so it is not the bucket's setting
    const bucket = this.bucket;
    const words = this.say("cors", { bucket: bucket.name, origin: location.origin });
    const fix = button(this.say("fixCors"), null, () => this.fixCors());
    const rest = this.config.mayFixCors ? [fix, ` ${this.say("fixCorsCost")}`] : [this.say("askAdministrator")];
    this.notice(words, ...rest);
    this.saysCors = true;
  }

  async fixCors() {
    try {
      const answer = await this.ask("allow_origin", { bucket: this.form.elements.bucket.value });
      this.notice(answer.reason);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.notice(error.message);
    }
  }

  notice(text, ...rest) {
    const box = this.part("notice");
    box.replaceChildren(text, ...rest.flatMap((part) => [" ", part]));
    box.hidden = !text;
    this.saysCors = false;
  }

  busy(on) {
    this.form.querySelector("[type=submit]").disabled = on;
  }

  count() {
    const counts = {};
    for (const { row } of this.uploads) counts[row.state] = (counts[row.state] ?? 0) + 1;
    const parts = [this.say("summary", { done: counts.done ?? 0, count: this.uploads.length })];
    if (counts.refused) parts.push(this.say("summaryRefused", { count: counts.refused }));
    if (counts.duplicate) parts.push(this.say("summaryDuplicate", { count: counts.duplicate }));
    if (counts.failed) parts.push(this.say("summaryFailed", { count: counts.failed }));
    this.part("summary").textContent = parts.join(" · ");
    this.part("files").hidden = this.uploads.length === 0;
  }
}

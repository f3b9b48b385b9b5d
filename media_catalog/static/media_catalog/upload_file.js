// A file on its way: checked, sent to S3 by its form, confirmed by the server. A batch owns it and gives it its turn.

import { Refusal, check } from "./upload_checks.js";
import { Failure, send } from "./upload_send.js";

export class Upload {
  constructor(file, row, batch) {
    Object.assign(this, { file, row, batch, facts: null, uuid: null, form: null, anyway: false });
  }

  wait() {
    this.row.show("waiting", { actions: [[this.batch.say("remove"), () => this.batch.remove(this)]] });
  }

  // Whether the file may be asked for at the server.
  async check(bucket) {
    this.row.show("checking");
    try {
      this.facts = await check(this.file, bucket, this.batch.config, this.batch.say);
      this.row.show("waiting");
      return true;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.settle("refused", { text: error.message });
      return false;
    }
  }

  get description() {
    return { name: this.file.name, size: this.file.size, anyway: this.anyway, ...this.facts };
  }

  // The server's answer to the description.
  take(answer) {
    if (answer.state === "ready") {
      this.uuid = answer.uuid;
      this.form = answer;
      this.row.show("waiting", { actions: [[this.batch.say("cancel"), () => this.cancel()]] });
    } else if (answer.state === "duplicate") {
      const text = answer.reason ?? `${this.batch.say("sameAs")} `; // a reason: the same is in this batch
      this.settle("duplicate", { text, link: this.linkTo(answer), actions: this.choice(answer) });
    } else {
      this.settle("refused", { text: answer.reason });
    }
  }

  choice(answer) {
    return [
      [this.batch.say("useExisting"), () => this.settle("existing", { link: this.linkTo(answer) })],
      [this.batch.say("uploadAnyway"), () => this.again({ anyway: true })],
    ];
  }

  async run() {
    if (this.row.state === "cancelled") return;
    try {
      if (this.form && (await this.send())) await this.finish();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.fail(error.message);
      if (!error.contact) this.batch.lostContact();
    }
  }

  async send() {
    const meter = new Speed();
    this.row.show("sending", { actions: [[this.batch.say("cancel"), () => this.cancel()]] });
    this.row.progress(0, 0);
    const showing = (sent) => this.row.progress(sent, meter.at(sent));
    const sending = send(this.file, this.facts.type, this.form, showing, this.batch.say);
    this.abort = sending.abort;
    const sent = await sending.promise;
    if (sent) this.batch.gotThrough();
    return sent;
  }

  async finish() {
    this.row.show("finishing");
    const answer = await this.batch.ask("finish", { uuid: this.uuid, renditions: this.batch.makesRenditions });
    if (answer.state === "done") this.settle("done", { link: this.linkTo(answer), more: this.moreOf(answer) });
    else if (answer.state === "refused") this.settle("refused", { text: answer.reason });
    else this.fail(answer.reason);
  }

  // For a file that may have come in an earlier visit, and is not at hand.
  async look() {
    try {
      await this.finish();
      await this.batch.followUp();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.settle("failed", { text: error.message });
    }
  }

  async cancel() {
    this.batch.queue = this.batch.queue.filter((each) => each !== this);
    this.settle("cancelled", { actions: [[this.batch.say("retry"), () => this.again()]] });
    this.abort?.();
    const uuid = this.uuid;
    this.uuid = this.form = null;
    if (uuid) await this.batch.ask("cancel", { uuid }).catch(() => {}); // else it runs out by itself
  }

  fail(text) {
    const retry = [this.batch.say("retry"), () => (this.file ? this.again() : this.look())];
    this.settle("failed", { text, actions: [retry] });
  }

  // Once more: by the same form where there is one still, else as a new file.
  async again({ anyway = false } = {}) {
    this.anyway ||= anyway;
    this.row.show("waiting");
    await this.batch.again(this);
  }

  settle(state, shown) {
    this.row.show(state, shown);
    this.batch.count();
  }

  moreOf({ main, same_as: same }) {
    return same ? [...main, { url: same.link, text: `${this.batch.say("sameAs")} ${same.key}` }] : main;
  }

  linkTo(answer) {
    return answer.link ? { url: answer.link, text: answer.key } : null;
  }
}

// Bytes per second over about the last two seconds.
class Speed {
  constructor() {
    this.samples = [[performance.now(), 0]];
  }

  at(sent) {
    const now = performance.now();
    this.samples.push([now, sent]);
    while (this.samples.length > 2 && now - this.samples[0][0] > 2000) this.samples.shift();
    const [since, before] = this.samples[0];
    return now > since ? ((sent - before) * 1000) / (now - since) : 0;
  }
}

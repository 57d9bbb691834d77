// The worker as a class; every call returns a promise. worker.js describes the calls.

export class Client {
  constructor() {
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.waiting = new Map();
    this.worker.onmessage = ({ data: { id, value, error } }) => {
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (error === undefined) resolve(value); else reject(new Error(error));
    };
    this.worker.onerror = (event) => {
      for (const { reject } of this.waiting.values()) reject(new Error(event.message || "The engine cannot be started."));
      this.waiting.clear();
    };
  }

  load(bytes, model) { return this.call("load", bytes, model); }

  reset(options) { return this.call("reset", options); }

  push(samples, sampleRate) { return this.call("push", samples, sampleRate); }

  flush() { return this.call("flush"); }

  result() { return this.call("result"); }

  call(call, ...values) {
    const id = this.id = (this.id ?? 0) + 1;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, call, values });
    });
  }
}

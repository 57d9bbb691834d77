// The engine: how the model runs. All that depends on it is in this file and in the build command.
//
// This one is the waveform graph on onnxruntime-web. It has no state between calls: the probability
// of speech of a frame is computed from the seconds before it, an answer from all of its samples.

import * as ort from "./onnxruntime.js";

const CONTEXT_SECONDS = 3; // before new frames, for the probability of speech
const STEP_SECONDS = 0.2; // of new frames at a time

export class Engine {
  // `bytes` is the model, `model` its card.
  static async load(bytes, model) {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = { wasm: new URL("onnxruntime.wasm", import.meta.url).href };
    const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
    return new Engine(session, model.mfcc_config);
  }

  constructor(session, { hop_length: hop, n_fft: size, sample_rate: rate }) {
    Object.assign(this, { session, hop, rate, half: Math.ceil(size / 2 / hop) });
    this.speaker = {};
    for (const { name, shape } of session.inputMetadata) {
      if (name !== "waveform") this.speaker[name] = new ort.Tensor("float32", new Float32Array(shape[1]), [1, shape[1]]);
    }
    this.reset();
  }

  // Starts a new stream.
  reset() {
    this.samples = new Float32Array(0);
    this.first = 0; // frame of the first sample
    this.frames = 0; // that have a probability of speech
  }

  // Adds samples at the model's rate; resolves to the probability of speech of each frame that they
  // complete, in order.
  async push(samples) {
    const joined = new Float32Array(this.samples.length + samples.length);
    joined.set(this.samples);
    joined.set(samples, this.samples.length);
    this.samples = joined;
    const complete = this.first + Math.floor(joined.length / this.hop) - this.half;
    return complete - this.frames < STEP_SECONDS * this.rate / this.hop ? [] : this.speech(complete);
  }

  // Resolves to the probability of speech of the last frames.
  async flush() {
    return this.samples.length ? this.speech(this.first + Math.floor(this.samples.length / this.hop) + 1) : [];
  }

  // Resolves to {probabilities, speech} of the frames from `first` to `end` of the stream; of a
  // whole one without arguments.
  async result(first = 0, end = Infinity) {
    const from = (first - this.first) * this.hop, to = (end - 1 - this.first) * this.hop;
    const { probabilities, speech } = await this.run(this.samples.slice(from, Math.min(to, this.samples.length)));
    return { probabilities, speech: speech[0] };
  }

  // Frames before this one are not needed any more.
  forget(frame) {
    const count = Math.min(frame, this.frames - CONTEXT_SECONDS * this.rate / this.hop) - this.first;
    if (count <= 0) return;
    this.samples = this.samples.slice(count * this.hop);
    this.first += count;
  }

  async speech(end) {
    const from = Math.max(this.first, this.frames - CONTEXT_SECONDS * this.rate / this.hop);
    const samples = this.samples.slice((from - this.first) * this.hop, (end + this.half - this.first) * this.hop);
    const { frame_speech: probabilities } = await this.run(samples);
    const result = probabilities ? probabilities.slice(this.frames - from, end - from) : new Float32Array(end - this.frames).fill(1);
    this.frames = end;
    return result;
  }

  async run(samples) {
    const waveform = new ort.Tensor("float32", samples, [1, samples.length]);
    const outputs = await this.session.run({ waveform, ...this.speaker });
    return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data]));
  }
}

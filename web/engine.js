// The engine: how the model runs. All that depends on it is in this file and in the build command.
//
// It is the C library of the model as WebAssembly, which `python -m export c` describes.

const BUFFER = 4096; // samples that are copied to the library at once

export class Engine {
  // `bytes` is the library, `model` the card of its model.
  static async load(bytes, model) {
    const { instance } = await WebAssembly.instantiate(bytes, {});
    return new Engine(instance.exports, model);
  }

  constructor(library, { mfcc_config: config, labels }) {
    this.library = library;
    this.hop = config.hop_length;
    this.half = config.n_fft / 2;
    this.labels = labels.length;
    // The library allocates nothing. Two states, an answer and samples lie above its own data.
    const stateBytes = library.edge_ser_state_bytes();
    let end = library.__heap_base.value;
    const place = (bytes) => {
      const start = Math.ceil(end / 16) * 16;
      end = start + bytes;
      return start;
    };
    this.stream = place(stateBytes);
    this.clip = place(stateBytes);
    this.answer = place(4 * (labels.length + 5));
    this.buffer = place(4 * BUFFER);
    const missing = end - library.memory.buffer.byteLength;
    if (missing > 0) library.memory.grow(Math.ceil(missing / 65_536));
    library.edge_ser_init(this.stream);
    library.edge_ser_init(this.clip);
    this.reset();
  }

  // Starts a new stream.
  reset() {
    this.library.edge_ser_reset(this.stream);
    this.due = this.half; // samples that complete the next frame
    this.length = this.frames = 0; // of the stream
    this.samples = new Float32Array(0); // for `result`
    this.first = 0; // frame of the first of them
    this.clipFirst = this.clipEnd = -1; // samples in the state of the clip
  }

  // Adds samples at the model's rate; returns the probability of speech of each frame that they
  // complete, in order.
  push(samples) {
    const joined = new Float32Array(this.samples.length + samples.length);
    joined.set(this.samples);
    joined.set(samples, this.samples.length);
    this.samples = joined;
    this.length += samples.length;
    return this.advance(samples);
  }

  // Returns the probability of speech of the last frames. The stream cannot go on.
  flush() {
    const missing = this.length ? Math.floor(this.length / this.hop) + 1 - this.frames : 0;
    return missing > 0 ? this.advance(new Float32Array(this.due + (missing - 1) * this.hop)) : [];
  }

  // Returns {probabilities, speech} of the frames of the stream from `first` to `end`; of a whole
  // one without arguments.
  result(first, end) {
    if (first === undefined) return this.resultOf(this.stream);
    const from = first * this.hop, to = Math.min((end - 1) * this.hop, this.length);
    if (from !== this.clipFirst || to < this.clipEnd) {
      this.library.edge_ser_reset(this.clip);
      this.clipFirst = this.clipEnd = from;
    }
    const offset = this.first * this.hop;
    this.write(this.clip, this.samples.subarray(this.clipEnd - offset, to - offset));
    this.clipEnd = to;
    return this.resultOf(this.clip);
  }

  // Frames before this one are not needed any more.
  forget(frame) {
    const count = Math.min(frame, this.frames) - this.first;
    if (count <= 0) return;
    this.samples = this.samples.slice(count * this.hop);
    this.first += count;
  }

  advance(samples) {
    const speech = [];
    for (let from = 0; from < samples.length;) {
      const part = samples.subarray(from, from + this.due);
      this.write(this.stream, part);
      from += part.length;
      this.due -= part.length;
      if (this.due) continue;
      speech.push(this.library.edge_ser_frame_speech(this.stream));
      this.frames++;
      this.due = this.hop;
    }
    return speech;
  }

  write(state, samples) {
    for (let from = 0; from < samples.length; from += BUFFER) {
      const part = samples.subarray(from, from + BUFFER);
      new Float32Array(this.library.memory.buffer, this.buffer, part.length).set(part);
      if (this.library.edge_ser_push_f32(state, this.buffer, part.length)) throw new Error("The audio has invalid samples.");
    }
  }

  resultOf(state) {
    if (this.library.edge_ser_result(state, this.answer)) throw new Error("The recording is empty.");
    // int label, int guess, float confidence, float probabilities[], float speech, float arousal
    const values = new Float32Array(this.library.memory.buffer, this.answer + 12, this.labels + 1);
    return { probabilities: values.slice(0, this.labels), speech: values[this.labels] };
  }
}

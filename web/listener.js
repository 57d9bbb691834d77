// Utterances in a stream, as `Listener` of edge_runtime/streaming/listener.py finds them.

import { decide, peakLevel } from "./decision.js";
import { END, EndpointDetector, START } from "./endpoints.js";

const SPEECH_ABOVE = 0.35; // probability from which a frame is speech
const MIN_SPEECH = 0.2; // seconds of speech frames of the shortest stretch
const PAUSE = 0.8, MAX_DURATION = 10, MIN_DURATION = 0.5, UPDATE = 0.5; // seconds
const EVIDENCE_SECONDS = 1, EVIDENCE_CONFIDENCE = 0.5;

const rounded = (seconds) => Math.round(seconds * 1000) / 1000;

// Samples of a stream by their number, from `first` on.
class Samples {
  constructor() { this.first = 0; this.values = new Float32Array(0); }

  get end() { return this.first + this.values.length; }

  push(samples) {
    const values = new Float32Array(this.values.length + samples.length);
    values.set(this.values);
    values.set(samples, this.values.length);
    this.values = values;
  }

  slice(from, to) { return this.values.subarray(Math.max(0, from - this.first), Math.max(0, to - this.first)); }

  forget(before) {
    const count = Math.min(Math.max(0, before - this.first), this.values.length);
    this.values = this.values.slice(count);
    this.first += count;
  }
}

export class Listener {
  // `engine` is reset; with `updates`, an utterance in progress has "start" and "update" events.
  constructor(model, engine, { updates = true } = {}) {
    const { sample_rate: rate, hop_length: hop } = model.mfcc_config;
    Object.assign(this, { model, engine, updates, rate, hop, period: hop / rate });
    this.hasGate = "rows" in model.inputs;
    this.endpoints = new EndpointDetector(
      { onset: SPEECH_ABOVE, period: this.period, minPause: PAUSE, minSpeech: MIN_SPEECH });
    this.samples = new Samples();
    this.undecided = []; // is it speech? of the frames from `taken` on
    this.taken = 0;
    this.utterance = null;
  }

  // Adds samples at the model's rate; resolves to the events.
  async push(samples) {
    this.samples.push(samples);
    return this.advance(await this.engine.push(samples));
  }

  async flush() {
    const events = await this.advance(await this.engine.flush());
    for (const [, frame] of this.endpoints.flush()) events.push(...await this.end(frame));
    return events;
  }

  async advance(probabilities) {
    const events = [];
    for (const probability of probabilities) {
      const p = this.hasGate ? probability : this.isLoud(this.endpoints.count);
      this.undecided.push(p >= SPEECH_ABOVE);
      events.push(...await this.assign(p));
    }
    const needed = this.utterance ? this.utterance.first : this.taken;
    this.samples.forget((needed - 1) * this.hop);
    this.engine.forget(needed);
    return events;
  }

  // 1 if a frame is loud enough for speech, else 0; for models without a speech gate.
  isLoud(frame) {
    const middle = frame * this.hop, half = this.hop / 2;
    return Number(peakLevel(this.samples.slice(middle - half, middle + half), this.rate) >= this.model.speech_above_dbfs);
  }

  async assign(p) {
    const events = [];
    for (const [kind, frame] of this.endpoints.add(p)) {
      if (kind === START) {
        this.take(frame);
        this.utterance = this.newUtterance(frame);
      } else if (kind === END) events.push(...await this.end(frame));
    }
    const frames = this.take(this.endpoints.settled);
    if (!this.utterance || !frames.length) return events;
    this.add(frames);
    events.push(...await this.update());
    const end = this.utterance.last + 1;
    if (end - this.utterance.first >= this.frames(MAX_DURATION)) {
      events.push(...await this.end(end));
      this.utterance = this.newUtterance(end);
    }
    return events;
  }

  // Removes the undecided frames before the one of number `end`.
  take(end) {
    const frames = this.undecided.splice(0, Math.max(0, end - this.taken));
    this.taken += frames.length;
    return frames;
  }

  newUtterance(first) { return { first, last: first, speech: 0, nextUpdate: 0, isReported: false }; }

  add(frames) {
    if (!frames.length) return;
    this.utterance.last = this.taken - 1;
    this.utterance.speech += frames.filter(Boolean).length;
  }

  async update() {
    const { utterance } = this;
    if (!this.updates || !this.isLongEnough(utterance) || utterance.last < utterance.nextUpdate) return [];
    utterance.nextUpdate = utterance.last + this.frames(UPDATE);
    const answer = await this.answer(utterance);
    if (!utterance.isReported && answer.status === "no speech") return [];
    const kind = utterance.isReported ? "update" : "start";
    utterance.isReported = true;
    const factor = answer.confidence >= EVIDENCE_CONFIDENCE ? 1 : 2;
    if (answer.label !== null && utterance.speech * this.period < factor * EVIDENCE_SECONDS) {
      Object.assign(answer, { label: null, status: "uncertain", confidence: null });
    }
    return [this.event(kind, utterance, answer)];
  }

  // Ends the utterance in progress before a frame.
  async end(frame) {
    const { utterance } = this;
    this.add(this.take(frame));
    this.utterance = null;
    if (!this.isLongEnough(utterance)) return [];
    const answer = await this.answer(utterance);
    const events = [this.event("end", utterance, answer)];
    if (this.updates && !utterance.isReported && answer.status !== "no speech") {
      events.unshift(this.event("start", utterance, answer));
    }
    return events;
  }

  async answer({ first, last }) {
    const { probabilities } = await this.engine.result(first, last + 1);
    const samples = this.samples.slice((first - 1) * this.hop, last * this.hop);
    return decide(this.model, probabilities, peakLevel(samples, this.rate) >= this.model.speech_above_dbfs);
  }

  event(event, { first, last }, answer) {
    const time = (frame) => rounded(Math.max(0, frame) * this.period);
    return { event, start: time(first - 1), end: time(last), ...answer };
  }

  isLongEnough(utterance) { return utterance.speech >= this.frames(MIN_DURATION); }

  frames(seconds) { return Math.round(seconds / this.period); }
}

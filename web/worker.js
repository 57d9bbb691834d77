// The worker: one stream at a time through the engine, away from the page.
//
// Messages are {id, call, values}; the answer is {id, value} or {id, error}.

import { decide, peakLevel } from "./decision.js";
import { Engine } from "./engine.js";
import { Listener } from "./listener.js";
import { Resampler } from "./resample.js";

let model, engine, listener, resampler, whole, rate;

const calls = {
  async load(bytes, card) {
    model = card;
    engine = await Engine.load(bytes, model);
    calls.reset();
  },

  // Starts a new stream. `isClip`: it has one answer, that of `result`, and no events.
  reset({ isClip = false, updates = true } = {}) {
    engine.reset();
    listener = isClip ? null : new Listener(model, engine, { updates });
    whole = [];
    resampler = null;
  },

  // Adds float32 samples at any rate, the same one within a stream; returns the events.
  async push(samples, sampleRate) {
    if (!resampler) {
      rate = sampleRate;
      resampler = new Resampler(Math.round(rate), model.mfcc_config.sample_rate);
    } else if (sampleRate !== rate) throw new Error(`a stream of ${rate} Hz cannot continue at ${sampleRate} Hz`);
    return add(resampler.push(samples));
  },

  // Ends the stream; returns the remaining events.
  async flush() {
    const events = resampler ? await add(resampler.push(new Float32Array(0), true)) : [];
    if (listener) events.push(...await listener.flush());
    return events;
  },

  // The answer for the whole clip, which has ended.
  async result() {
    const samples = new Float32Array(whole.reduce((sum, block) => sum + block.length, 0));
    whole.reduce((at, block) => { samples.set(block, at); return at + block.length; }, 0);
    const { probabilities, speech } = await engine.result();
    const isLoud = peakLevel(samples, model.mfcc_config.sample_rate) >= model.speech_above_dbfs;
    return { ...decide(model, [...probabilities], isLoud && speech >= model.speech_above), speech };
  },
};

async function add(samples) {
  if (listener) return listener.push(samples);
  whole.push(samples);
  await engine.push(samples);
  return [];
}

let queue = Promise.resolve();
onmessage = ({ data: { id, call, values } }) => {
  queue = queue.then(async () => {
    try {
      postMessage({ id, value: await calls[call](...values) });
    } catch (error) {
      postMessage({ id, error: error.message });
    }
  });
};

// Stretches of speech and pauses from the probability of every frame; the rules and the constants
// are those of edge_runtime/streaming/endpoints.py, which explains them.

export const START = "start", BREAK = "break", END = "end";

const HYSTERESIS = 0.1;
const ONSET_SECONDS = 0.08, HANGOVER_SECONDS = 0.08;
const BREAK_SECONDS = 0.2, MAX_GAP_SECONDS = 0.3;

export class EndpointDetector {
  constructor({ onset, period, minPause, minSpeech }) {
    const frames = (seconds) => Math.max(1, Math.round(seconds / period));
    this.onset = onset;
    this.offset = Math.max(onset - HYSTERESIS, 0.5 * onset);
    this.minPause = frames(minPause);
    this.minSpeech = frames(minSpeech);
    this.maxGap = Math.min(this.minPause, frames(MAX_GAP_SECONDS));
    this.break = frames(BREAK_SECONDS);
    this.before = Math.round(ONSET_SECONDS / period);
    this.after = Math.round(HANGOVER_SECONDS / period);
    this.count = 0; // frames so far
    this.inSpeech = false;
    this.speech = 0; // frames of speech of an attempted stretch
    this.first = this.last = 0; // first and last frame of speech
    this.end = 0; // of the stretch before
  }

  // Frames before this one can no longer change between speech and pause.
  get settled() {
    if (this.inSpeech) return Math.min(this.last + 1 + this.after, this.count);
    return Math.max(this.end, this.start(this.speech ? this.first : this.count));
  }

  // Adds a frame; returns endpoints [kind, frame].
  add(p) {
    const frame = this.count++, endpoints = [];
    const goesOn = (this.speech || this.inSpeech) && this.last === frame - 1;
    if (p >= this.onset || (goesOn && p >= this.offset)) {
      if (!this.speech) this.first = frame;
      else if (this.inSpeech && frame - this.last > this.break) {
        endpoints.push([BREAK, Math.max(this.settled, Math.floor((this.last + frame) / 2))]);
      }
      this.last = frame;
      this.speech++;
      if (!this.inSpeech && this.speech >= this.minSpeech) {
        this.inSpeech = true;
        endpoints.push([START, this.start(this.first)]);
      }
    } else if (this.inSpeech) {
      if (frame - this.last >= this.minPause + this.after) {
        this.inSpeech = false;
        this.speech = 0;
        this.end = Math.min(this.last + 1 + this.after, this.count);
        endpoints.push([END, this.end]);
      }
    } else if (this.speech && frame - this.last >= this.maxGap) this.speech = 0;
    return endpoints;
  }

  // The end of the stretch in progress, if any, which is that of the stream.
  flush() { return this.inSpeech ? [[END, this.count]] : []; }

  start(first) {
    const start = first - this.before;
    if (!this.end) return start >= this.minPause ? start : 0; // the start of the stream
    return Math.min(first, Math.max(start, this.end + this.minPause));
  }
}

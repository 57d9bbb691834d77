// Resampling of a stream, band-limited: a sinc in a Kaiser window.

const ZEROS = 32; // zero crossings of the sinc on each side
const BETA = 12.3; // of the window: side lobes at -120 dB
const CUTOFF = 0.94; // of the lower Nyquist frequency

function bessel(x) {
  let sum = 1, term = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function gcd(a, b) { return b ? gcd(b, a % b) : a; }

// The output does not depend on the sizes of the chunks.
export class Resampler {
  constructor(source, target) {
    const common = gcd(source, target);
    this.step = source / common; // input samples for `phases` output samples
    this.phases = target / common;
    const scale = Math.min(1, target / source) * CUTOFF;
    this.scale = scale;
    this.half = Math.ceil(ZEROS / scale);
    this.filters = new Map(); // by phase
    this.input = new Float32Array(this.half); // zeros before the first sample
    this.first = -this.half; // number of the first sample of `input`
    this.length = 0; // samples pushed
    this.next = 0; // number of the next output sample
  }

  // Coefficients for an output sample `phase / phases` after an input sample.
  filter(phase) {
    if (!this.filters.has(phase)) {
      const taps = new Float64Array(2 * this.half + 1);
      for (let k = -this.half; k <= this.half; k++) {
        const x = k - phase / this.phases, ratio = x / (this.half + 1);
        const sinc = x === 0 ? 1 : Math.sin(Math.PI * this.scale * x) / (Math.PI * this.scale * x);
        taps[k + this.half] = this.scale * sinc * bessel(BETA * Math.sqrt(Math.max(0, 1 - ratio * ratio))) / bessel(BETA);
      }
      this.filters.set(phase, taps);
    }
    return this.filters.get(phase);
  }

  push(samples, last = false) {
    if (this.step === this.phases) return samples;
    this.length += samples.length;
    const input = new Float32Array(this.input.length + samples.length + (last ? this.half + 1 : 0));
    input.set(this.input);
    input.set(samples, this.input.length);
    const end = last ? Math.ceil(this.length * this.phases / this.step)
      : Math.max(this.next, Math.ceil((this.length - this.half) * this.phases / this.step));
    const output = new Float32Array(end - this.next);
    for (let n = 0; n < output.length; n++, this.next++) {
      const position = this.next * this.step;
      const centre = Math.floor(position / this.phases), taps = this.filter(position % this.phases);
      const from = centre - this.half - this.first;
      let sum = 0;
      for (let k = 0; k < taps.length; k++) sum += taps[k] * input[from + k];
      output[n] = sum;
    }
    const needed = Math.floor(this.next * this.step / this.phases) - this.half;
    this.input = input.slice(needed - this.first);
    this.first = needed;
    return output;
  }
}

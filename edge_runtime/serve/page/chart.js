// The picture: waveform above, the probabilities of each emotion below.

const SECONDS = 30; // of a live stream

export function colourClass(labels, label) {
  const index = labels.indexOf(label);
  return index < 0 ? "cn" : `c${index % 6}`;
}

export class Chart {
  constructor(canvas) {
    this.canvas = canvas;
    this.clear([]);
    new ResizeObserver(() => this.request()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.request());
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
  }

  clear(labels) {
    this.labels = labels;
    this.peaks = []; // [seconds, peak]
    this.points = []; // {time, probabilities}
    this.spans = []; // {start, end, label}
    this.whole = 0; // seconds of a file; 0 for a live stream
    this.now = 0;
    this.request();
  }

  addBlock(block, end) {
    let peak = 0;
    for (const value of block) peak = Math.max(peak, Math.abs(value));
    this.peaks.push([end, peak]);
    this.now = end;
    if (!this.whole) {
      while (this.peaks.length && this.peaks[0][0] < end - SECONDS - 1) this.peaks.shift();
    }
    this.request();
  }

  addPoint(time, probabilities) {
    if (probabilities) this.points.push({ time, probabilities });
    this.now = Math.max(this.now, time);
    if (!this.whole) {
      while (this.points.length && this.points[0].time < this.now - SECONDS - 15) this.points.shift();
    }
    this.request();
  }

  // Ends the lines; the next point begins new ones.
  addBreak() {
    this.points.push({ time: this.now, probabilities: null });
  }

  addSpan(span) {
    this.spans.push(span);
    this.now = Math.max(this.now, span.end);
    if (!this.whole) this.spans = this.spans.filter((s) => s.end > this.now - SECONDS - 1);
    this.request();
  }

  showRecording(recording, seconds) {
    this.whole = seconds;
    this.now = seconds;
    if (!recording) return;
    const samples = recording.slice(0, recording.seconds) ?? new Float32Array(0);
    const step = Math.max(1, Math.ceil(samples.length / 1500));
    for (let k = 0; k < samples.length; k += step) {
      this.addBlock(samples.subarray(k, k + step), Math.min(k + step, samples.length) / recording.sampleRate);
    }
    this.now = seconds;
  }

  request() {
    if (this.pending) return;
    this.pending = true;
    const draw = () => { this.pending = false; this.draw(); };
    if (this.calm?.matches) setTimeout(draw, 500); else requestAnimationFrame(draw);
  }

  draw() {
    const { canvas } = this, ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    const from = this.whole ? 0 : Math.max(0, this.now - SECONDS);
    const span = this.whole || SECONDS;
    const x = (time) => ((time - from) / span) * width;
    const wave = height * 0.38, low = height - 18, top = wave + 8;
    g.font = "12px system-ui, sans-serif";
    for (const { start, end, label } of this.spans) {
      const index = this.labels.indexOf(label);
      g.globalAlpha = 0.16;
      g.fillStyle = index < 0 ? colour("--quiet") : colour(`--c${index % 6}`);
      g.fillRect(x(start), 0, Math.max(1, x(end) - x(start)), low);
      g.globalAlpha = 1;
    }
    g.strokeStyle = colour("--quiet");
    g.beginPath();
    const line = Math.max(1, width / Math.max(300, this.peaks.length));
    for (const [time, peak] of this.peaks) {
      const half = Math.max(0.5, Math.min(1, peak) * (wave / 2 - 2));
      g.moveTo(x(time), wave / 2 - half);
      g.lineTo(x(time), wave / 2 + half);
    }
    g.lineWidth = line;
    g.stroke();
    g.strokeStyle = colour("--line");
    g.lineWidth = 1;
    g.fillStyle = colour("--quiet");
    const tick = span <= 60 ? 5 : 10 ** Math.ceil(Math.log10(span / 12));
    for (let time = Math.ceil(from / tick) * tick; time <= from + span; time += tick) {
      g.beginPath();
      g.moveTo(x(time), 0);
      g.lineTo(x(time), low);
      g.stroke();
      g.fillText(`${time} s`, x(time) + 3, height - 5);
    }
    this.labels.forEach((label, index) => {
      g.strokeStyle = colour(`--c${index % 6}`);
      g.lineWidth = 2;
      g.setLineDash(index % 2 ? [6, 3] : []);
      g.beginPath();
      let last = -Infinity;
      for (const { time, probabilities } of this.points) {
        if (!probabilities) { last = -Infinity; continue; }
        const y = low - (probabilities[label] ?? 0) * (low - top);
        if (time - last > 3 && !this.whole || last === -Infinity) g.moveTo(x(time), y); else g.lineTo(x(time), y);
        last = time;
      }
      g.stroke();
    });
    g.setLineDash([]);
    // Above all else, with a margin in the colour of the background.
    g.strokeStyle = colour("--back");
    g.lineWidth = 4;
    g.lineJoin = "round";
    for (const { start, end, label } of this.spans) {
      if (x(end) - x(start) <= 45) continue;
      const index = this.labels.indexOf(label);
      g.fillStyle = index < 0 ? colour("--quiet") : colour(`--c${index % 6}`);
      g.strokeText(label, x(start) + 4, 14);
      g.fillText(label, x(start) + 4, 14);
    }
  }
}

// Passes the samples of the microphone on, in pieces of about 50 ms.
class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.size = Math.max(128, Math.round(sampleRate / 20));
    this.block = new Float32Array(this.size);
    this.used = 0;
  }

  process(inputs) {
    const channels = inputs[0];
    if (!channels.length) return true;
    const samples = channels[0];
    for (let k = 0; k < samples.length; k++) {
      let sum = 0;
      for (const channel of channels) sum += channel[k];
      this.block[this.used++] = sum / channels.length;
      if (this.used === this.size) {
        this.port.postMessage(this.block, [this.block.buffer]);
        this.block = new Float32Array(this.size);
        this.used = 0;
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);

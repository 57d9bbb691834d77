// Microphone, playback and WAV files.

let context = null;

export function audioContext() {
  context ??= new AudioContext();
  return context;
}

// Returns why there is no microphone, or "" if there may be one.
export function microphoneProblem() {
  if (!window.isSecureContext) {
    return "The microphone of this browser is not available: browsers allow it only over HTTPS or " +
      "on localhost, and this page came over plain HTTP from another machine, where others could " +
      "listen in. The server must use HTTPS (edge-ser serve --tls-self-signed). Files work as they are.";
  }
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) {
    return "This browser has no access to a microphone. Files work as they are.";
  }
  return "";
}

// Opens the microphone at its own rate; `onBlock` gets Float32Arrays.
export async function openMicrophone(onBlock) {
  const problem = microphoneProblem();
  if (problem) throw new Error(problem);
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      // The processing of calls changes the voice.
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
  } catch (error) {
    throw new Error(error.name === "NotAllowedError"
      ? "The browser was not allowed to use the microphone. Allow it in the settings of this page."
      : `The microphone cannot be opened: ${error.message}`);
  }
  const audio = audioContext();
  await audio.resume();
  await audio.audioWorklet.addModule(new URL("recorder.js", import.meta.url));
  const source = audio.createMediaStreamSource(stream);
  const node = new AudioWorkletNode(audio, "recorder", { numberOfOutputs: 0 });
  node.port.onmessage = (event) => onBlock(event.data);
  source.connect(node);
  return {
    sampleRate: audio.sampleRate,
    close() {
      node.port.onmessage = null;
      source.disconnect();
      for (const track of stream.getTracks()) track.stop();
    },
  };
}

export function toInt16(samples) {
  const result = new Int16Array(samples.length);
  for (let k = 0; k < samples.length; k++) {
    const value = Math.max(-1, Math.min(1, samples[k]));
    result[k] = Math.round(value * 32767);
  }
  return result;
}

export function wavFile(blocks, sampleRate) {
  const length = blocks.reduce((sum, block) => sum + block.length, 0);
  const data = new DataView(new ArrayBuffer(44));
  const text = (at, value) => [...value].forEach((c, k) => data.setUint8(at + k, c.charCodeAt(0)));
  text(0, "RIFF"); data.setUint32(4, 36 + 2 * length, true); text(8, "WAVEfmt ");
  data.setUint32(16, 16, true); data.setUint16(20, 1, true); data.setUint16(22, 1, true);
  data.setUint32(24, sampleRate, true); data.setUint32(28, 2 * sampleRate, true);
  data.setUint16(32, 2, true); data.setUint16(34, 16, true);
  text(36, "data"); data.setUint32(40, 2 * length, true);
  return new Blob([data, ...blocks.map(toInt16)], { type: "audio/wav" });
}

// Audio of a stream, so that utterances can be played; the oldest is forgotten.
export class Recording {
  constructor(sampleRate, maxSeconds = 600) {
    this.sampleRate = sampleRate;
    this.blocks = [];
    this.first = 0; // samples before the first block
    this.length = 0;
    this.maxLength = maxSeconds * sampleRate;
  }

  add(block) {
    this.blocks.push(block);
    this.length += block.length;
    while (this.length - this.first > this.maxLength) this.first += this.blocks.shift().length;
  }

  get seconds() { return this.length / this.sampleRate; }

  // Samples from start to end in seconds; null if they are forgotten.
  slice(start, end) {
    const from = Math.max(0, Math.round(start * this.sampleRate));
    const to = Math.min(this.length, Math.round(end * this.sampleRate));
    if (from < this.first || to <= from) return null;
    const result = new Float32Array(to - from);
    let at = this.first;
    for (const block of this.blocks) {
      const low = Math.max(from, at), high = Math.min(to, at + block.length);
      if (low < high) result.set(block.subarray(low - at, high - at), low - from);
      at += block.length;
    }
    return result;
  }
}

let playing = null;

export async function play(samples, sampleRate) {
  const audio = audioContext();
  await audio.resume();
  playing?.stop();
  const buffer = audio.createBuffer(1, samples.length, sampleRate);
  buffer.copyToChannel(samples, 0);
  playing = audio.createBufferSource();
  playing.buffer = buffer;
  playing.connect(audio.destination);
  playing.start();
}

// The sample rate that the header of a WAV, FLAC, Ogg or MP3 file states; 48000 for others.
export function declaredRate(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (at, length) => String.fromCharCode(...bytes.subarray(at, at + length));
  if (text(0, 4) === "RIFF") {
    for (let at = 12; at + 16 <= bytes.length; at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) % 2)) {
      if (text(at, 4) === "fmt ") return view.getUint32(at + 12, true);
    }
  } else if (text(0, 4) === "fLaC" && bytes.length > 22) {
    return view.getUint32(18) >>> 12;
  } else if (text(0, 4) === "OggS" && text(29, 6) === "vorbis" && bytes.length > 44) {
    return view.getUint32(40, true);
  } else {
    let at = 0;
    if (text(0, 3) === "ID3") at = 10 + bytes.subarray(6, 10).reduce((size, byte) => 128 * size + byte, 0);
    const isMp3 = bytes[at] === 0xff && (bytes[at + 1] & 0xe6) === 0xe2;
    const rate = isMp3 ? [44_100, 48_000, 32_000][(bytes[at + 2] >> 2) & 3] : undefined;
    if (rate) return rate / { 3: 1, 2: 2, 0: 4 }[(bytes[at + 1] >> 3) & 3];
  }
  return 48_000;
}

// The mean of the channels of a file, at its own rate; rejects if the browser cannot decode it.
export async function decodeFile(file) {
  const content = await file.arrayBuffer();
  // A context of another rate would resample.
  const decode = async (rate) => new OfflineAudioContext(1, 1, rate).decodeAudioData(content.slice(0));
  const buffer = await decode(declaredRate(new Uint8Array(content))).catch((error) => {
    if (error.name === "EncodingError") throw error;
    return decode(48_000); // the browser does not support the rate
  });
  const recording = new Recording(buffer.sampleRate, Infinity);
  const mono = new Float32Array(buffer.length);
  for (let c = 0; c < buffer.numberOfChannels; c++) {
    const channel = buffer.getChannelData(c);
    for (let k = 0; k < mono.length; k++) mono[k] += channel[k] / buffer.numberOfChannels;
  }
  recording.add(mono);
  return recording;
}

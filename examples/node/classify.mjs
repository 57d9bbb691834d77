// Classify 16 kHz WAV files without Python: node classify.mjs MODEL node|web CLIP...
//
// MODEL is the model.waveform.onnx of an export, or edge_runtime/models/edge_ser.waveform.onnx.
// "node" uses the native onnxruntime, "web" its WebAssembly build, as a browser would.
// Prints one line of JSON per clip, with the probabilities in the order of the model's labels.

import { readFile } from "node:fs/promises";

const [modelFile, engine, ...clips] = process.argv.slice(2);
if (!clips.length || !["node", "web"].includes(engine)) {
  console.error("usage: node classify.mjs MODEL node|web CLIP...");
  process.exit(2);
}

const ort = await import(engine === "node" ? "onnxruntime-node" : "onnxruntime-web");
if (engine === "web") ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(await readFile(modelFile), {
  executionProviders: [engine === "node" ? "cpu" : "wasm"],
});

// Models with clip statistics take the mean statistics of the speaker; zeros are an unknown one.
const speaker = {};
for (const { name, shape } of session.inputMetadata) {
  if (name !== "waveform") {
    speaker[name] = new ort.Tensor("float32", new Float32Array(shape[1]), [1, shape[1]]);
  }
}

// Reads 16-bit mono PCM at 16 kHz; decode other files with a decoder of your choice.
function samplesOf(file, name) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const tag = (at) => String.fromCharCode(...file.subarray(at, at + 4));
  if (tag(0) !== "RIFF" || tag(8) !== "WAVE") throw new Error(`${name}: not a WAV file`);
  let format = null;
  for (let at = 12; at + 8 <= file.length; ) {
    const size = view.getUint32(at + 4, true);
    if (tag(at) === "fmt ") {
      format = [view.getUint16(at + 8, true), view.getUint16(at + 10, true),
                view.getUint32(at + 12, true), view.getUint16(at + 22, true)];
    } else if (tag(at) === "data") {
      if (String(format) !== "1,1,16000,16") {
        throw new Error(`${name}: must be 16-bit mono PCM at 16000 Hz`);
      }
      const n = Math.floor(Math.min(size, file.length - at - 8) / 2);
      return Float32Array.from({ length: n }, (_, k) => view.getInt16(at + 8 + 2 * k, true) / 32768);
    }
    at += 8 + size + (size % 2);
  }
  throw new Error(`${name}: contains no samples`);
}

for (const clip of clips) {
  const samples = samplesOf(await readFile(clip), clip);
  const waveform = new ort.Tensor("float32", samples, [1, samples.length]);
  const { probabilities, speech } = await session.run({ waveform, ...speaker });
  console.log(JSON.stringify({
    file: clip, probabilities: Array.from(probabilities.data), speech: speech.data[0],
  }));
}

// Runs the engine of a built page without a browser: node engine.mjs FOLDER < clips, as JSON.
//
// A clip is {file, chunk}: raw float32 samples at the rate of the model. Prints the answer for the
// whole clip and the events of its utterances.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const folder = `${process.argv[2]}/`;
const load = (name) => import(pathToFileURL(folder + name));
const { Engine } = await load("engine.js");
const { Listener } = await load("listener.js");
const { decide } = await load("decision.js");
const model = JSON.parse(readFileSync(`${folder}model.json`, "utf8"));
const engine = await Engine.load(readFileSync(`${folder}engine.wasm`), model);

const results = [];
for (const { file, chunk } of JSON.parse(readFileSync(0, "utf8"))) {
  const samples = new Float32Array(new Uint8Array(readFileSync(file)).buffer);
  const chunks = Array.from({ length: Math.ceil(samples.length / chunk) }, (_, k) => samples.subarray(k * chunk, (k + 1) * chunk));
  engine.reset();
  for (const part of chunks) engine.push(part);
  const { probabilities, speech } = engine.result();
  engine.reset();
  const listener = new Listener(model, engine), events = [];
  for (const part of chunks) events.push(...await listener.push(part));
  events.push(...await listener.flush());
  results.push({ answer: decide(model, [...probabilities], true), speech, events });
}
console.log(JSON.stringify(results));

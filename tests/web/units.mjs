// Runs the modules of web/ that need no browser: cases as JSON on standard input, results as JSON.

import { readFileSync } from "node:fs";

// As text, because Node takes *.js for CommonJS.
const load = (path) => import(`data:text/javascript,${encodeURIComponent(readFileSync(new URL(path, import.meta.url), "utf8"))}`);
const { decide, peakLevel } = await load("../../web/decision.js");
const { EndpointDetector } = await load("../../web/endpoints.js");
const { Resampler } = await load("../../web/resample.js");
const { declaredRate } = await load("../../edge_runtime/serve/page/audio.js");

const run = {
  endpoints({ config, probabilities }) {
    const detector = new EndpointDetector(config);
    const steps = probabilities.map((p) => [detector.add(p), detector.settled]);
    return { steps, flush: detector.flush() };
  },
  resample({ source, target, chunks }) {
    const resampler = new Resampler(source, target);
    const parts = chunks.map((chunk) => [...resampler.push(Float32Array.from(chunk))]);
    return [...parts, [...resampler.push(new Float32Array(0), true)]].flat();
  },
  decide: ({ model, probabilities }) => decide(model, probabilities, true),
  level: ({ samples, rate }) => peakLevel(Float32Array.from(samples), rate),
  rate: ({ bytes }) => declaredRate(Uint8Array.from(bytes)),
};

const cases = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map(([name, value]) => run[name](value))));

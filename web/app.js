// The page without a server: microphone and files through the engine of this browser.

import { Answers, describe, notice, onDroppedFile, state } from "./answers.js";
import { Recording, decodeFile, microphoneProblem, openMicrophone } from "./audio.js";
import { Client } from "./client.js";

const MAX_CLIP_SECONDS = 30; // of a file that has one answer as a whole
const MAX_DELAY_SECONDS = 10; // of a live stream; what arrives later is lost
const CHUNK_SECONDS = 5; // of a file
const $ = (id) => document.getElementById(id);
const answers = new Answers();
const client = new Client();
let stop = null; // ends the microphone
let isReading = false; // a file
let name = "utterances";

const source = () => document.querySelector("input[name=source]:checked").value;

function running(isRunning) {
  $("start").disabled = isRunning || source() === "file";
  $("stop").disabled = !isRunning;
  $("file").disabled = isRunning;
  for (const input of document.querySelectorAll("input[name=source]")) input.disabled = isRunning;
}

async function start() {
  notice("");
  answers.clear();
  name = "utterances";
  $("now-title").textContent = "Now";
  running(true);
  let pending = 0, work = client.reset();
  const fail = (error) => { notice(error.message); stop?.(); };
  work.catch(fail);
  try {
    const microphone = await openMicrophone((block) => {
      const { recording } = answers;
      recording.add(block);
      answers.chart.addBlock(block, recording.seconds);
      pending += block.length / microphone.sampleRate;
      if (pending > MAX_DELAY_SECONDS) fail(new Error("This device is too slow for live answers. Files work."));
      work = client.push(block, microphone.sampleRate).then((events) => {
        pending -= block.length / microphone.sampleRate;
        events.forEach((row) => answers.onEvent(row));
      });
      work.catch(fail);
    });
    answers.recording = new Recording(microphone.sampleRate);
    state("listening");
    stop = async () => {
      stop = null;
      microphone.close();
      state("ending");
      try {
        for (const row of await client.flush()) answers.onEvent(row);
      } catch (error) {
        notice(error.message);
      }
      running(false);
      state("ready");
    };
  } catch (error) {
    running(false);
    state("ready");
    notice(error.message);
  }
}

// Passes a recording through the engine; returns the events.
async function analyse(recording, options) {
  const events = [];
  await client.reset(options);
  for (let from = 0; from < recording.seconds; from += CHUNK_SECONDS) {
    const samples = recording.slice(from, from + CHUNK_SECONDS);
    if (samples) events.push(...await client.push(samples, recording.sampleRate));
    if (recording.seconds > CHUNK_SECONDS) state(`reading, ${Math.round(100 * from / recording.seconds)} %`);
  }
  events.push(...await client.flush());
  return events;
}

async function openFile(file) {
  if (!file || isReading) return;
  notice("");
  answers.clear();
  name = file.name;
  isReading = true;
  running(true);
  $("stop").disabled = true;
  state(`reading ${file.name}`);
  try {
    const recording = await decodeFile(file).catch(() => {
      throw new Error(`${file.name} is not audio that this browser can decode.`);
    });
    answers.recording = recording;
    const isClip = recording.seconds > 0 && recording.seconds <= MAX_CLIP_SECONDS;
    $("now-title").textContent = isClip ? "The whole file" : "The last utterance";
    answers.chart.showRecording(recording, recording.seconds);
    for (const row of await analyse(recording, { updates: false })) {
      if (row.status !== "no speech") answers.addSegment(row);
    }
    if (isClip) {
      await analyse(recording, { isClip: true });
      answers.show(await client.result());
    } else if (!answers.rows.length) answers.show({ label: null, guess: null, status: "no speech" });
    $("live").textContent = `${answers.rows.length} utterances`;
  } catch (error) {
    notice(error.message);
  }
  isReading = false;
  running(false);
  state("ready");
}

// Keeps all files in the browser. A new version starts with the next load, not below a live stream.
async function keepOffline() {
  if (!navigator.serviceWorker) return;
  const registration = await navigator.serviceWorker.register("sw.js", { updateViaCache: "none" });
  if (registration.waiting && navigator.serviceWorker.controller) {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    registration.waiting.postMessage("activate");
  }
  await navigator.serviceWorker.ready;
  $("offline").hidden = false;
  document.documentElement.dataset.offline = "true";
}

async function main() {
  $("about-open").onclick = () => $("about").showModal();
  $("start").onclick = start;
  $("stop").onclick = () => stop?.();
  $("save-csv").onclick = () => answers.save("csv", name);
  $("save-srt").onclick = () => answers.save("srt", name);
  for (const input of document.querySelectorAll("input[name=source]")) {
    input.onchange = () => {
      $("drop").hidden = source() !== "file";
      $("start").disabled = source() === "file";
      notice(source() === "browser" ? microphoneProblem() : "");
    };
  }
  onDroppedFile(openFile, () => stop !== null || isReading);
  try {
    const [model, bytes] = await Promise.all([
      fetch("model.json").then((answer) => answer.json()), fetch("engine.wasm").then((answer) => answer.arrayBuffer()),
    ]);
    await client.load(bytes, model);
    answers.setLabels(model.labels);
    $("about-body").replaceChildren(describe(model, [["Version", model.version]]));
    state("ready");
    $("start").disabled = false;
    document.documentElement.dataset.ready = "true";
  } catch (error) {
    state("not loaded");
    notice(`The model cannot be loaded: ${error.message}`);
    return;
  }
  if (microphoneProblem()) notice(microphoneProblem());
  await keepOffline().catch((error) => console.warn(`The page requires a connection the next time: ${error.message}`));
}

main();

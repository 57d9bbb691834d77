// The page: live answers, files and profiles.

import { Answers, describe, notice, onDroppedFile, saveFile, state } from "./answers.js";
import { deviceEvents, json, onTokenNeeded, openStream, request } from "./api.js";
import { Recording, decodeFile, microphoneProblem, openMicrophone, toInt16 } from "./audio.js";
import { setUpEnrolment } from "./enrol.js";

const $ = (id) => document.getElementById(id);
const answers = new Answers();
const { chart } = answers;
let stop = null; // ends the source in use
let file = null;

const source = () => document.querySelector("input[name=source]:checked").value;

function running(isRunning) {
  $("start").disabled = isRunning || source() === "file";
  $("stop").disabled = !isRunning;
  $("profile").disabled = isRunning;
  for (const input of document.querySelectorAll("input[name=source]")) input.disabled = isRunning;
}

async function startBrowser() {
  let stream = null, isOpen = false;
  const waiting = [];
  const microphone = await openMicrophone((block) => {
    if (!isOpen) { if (waiting.length < 200) waiting.push(block); return; }
    recording.add(block);
    chart.addBlock(block, recording.seconds);
    if (!stream.send(toInt16(block).buffer)) state("the connection is too slow; audio is lost");
  });
  const recording = answers.recording = new Recording(microphone.sampleRate);
  const end = (reason) => {
    isOpen = false;
    microphone.close();
    stop = null;
    running(false);
    state("ready");
    if (reason) notice(reason);
  };
  stream = openStream(
    { sample_rate: Math.round(microphone.sampleRate), format: "s16le", profile: $("profile").value || null },
    {
      started() {
        state("listening");
        isOpen = true;
        for (const block of waiting.splice(0)) {
          recording.add(block);
          chart.addBlock(block, recording.seconds);
          stream.send(toInt16(block).buffer);
        }
      },
      event: (row) => answers.onEvent(row),
      close: end,
    },
  );
  stop = () => { microphone.close(); isOpen = false; stream.stop(); };
}

async function startDevice() {
  const abort = new AbortController();
  answers.recording = null;
  stop = () => abort.abort();
  state("listening to the device");
  const end = (error) => {
    stop = null;
    running(false);
    state("ready");
    if (error && error.name !== "AbortError" && !abort.signal.aborted) notice(error.message);
  };
  deviceEvents((row) => answers.onEvent(row), abort.signal).then(() => end(null), end);
}

async function start() {
  notice("");
  answers.clear();
  $("now-title").textContent = "Now";
  running(true);
  try {
    if (source() === "device") await startDevice(); else await startBrowser();
  } catch (error) {
    stop = null;
    running(false);
    state("ready");
    notice(error.message);
  }
}

function timelineForm(format) {
  const form = new FormData();
  form.append("file", file, file.name);
  form.append("format", format);
  if ($("profile").value) form.append("profile", $("profile").value);
  return { method: "POST", body: form };
}

async function openFile(chosen) {
  if (!chosen) return;
  file = chosen;
  notice("");
  answers.clear();
  state(`reading ${file.name}`);
  try {
    const [timeline, recording] = await Promise.all([
      json("/v1/timeline", timelineForm("json")), decodeFile(file).catch(() => null),
    ]);
    answers.recording = recording;
    $("now-title").textContent = "The last segment";
    chart.showRecording(recording, timeline.seconds);
    for (const segment of timeline.segments) {
      if (segment.status !== "no speech") answers.addSegment(segment);
    }
    if (!answers.rows.length) answers.show({ label: null, guess: null, status: "no speech" });
    if (!timeline.complete) notice("The recording breaks off; the answers end there.");
    $("live").textContent = `${answers.rows.length} segments with speech`;
  } catch (error) {
    notice(error.message);
  }
  state("ready");
}

async function saveList(format) {
  if (source() !== "file" || !file) { answers.save(format); return; }
  const answer = await request("/v1/timeline", timelineForm(format));
  saveFile(await answer.text(), `${file.name}.${format}`, "text/plain");
}

async function loadProfiles(selected = "") {
  const { profiles } = await json("/v1/profiles");
  const options = profiles.filter((row) => !row.error).map((row) => new Option(row.name, row.name));
  $("profile").replaceChildren(new Option("unknown", ""), ...options);
  $("profile").value = selected;
  $("profile-delete").hidden = !$("profile").value;
}

async function main() {
  onTokenNeeded(() => new Promise((resolve) => {
    $("access").showModal();
    $("access-form").onsubmit = () => resolve($("token").value.trim());
    $("access").oncancel = (event) => event.preventDefault();
  }));
  $("about-open").onclick = () => $("about").showModal();
  $("start").onclick = start;
  $("stop").onclick = () => stop?.();
  $("save-csv").onclick = () => saveList("csv").catch((error) => notice(error.message));
  $("save-srt").onclick = () => saveList("srt").catch((error) => notice(error.message));
  $("profile").onchange = () => { $("profile-delete").hidden = !$("profile").value; };
  $("profile-delete").onclick = async () => {
    const name = $("profile").value;
    if (!confirm(`Delete the profile ${name}?`)) return;
    await request(`/v1/profiles/${encodeURIComponent(name)}`, { method: "DELETE" }).catch((error) => notice(error.message));
    await loadProfiles();
  };
  for (const input of document.querySelectorAll("input[name=source]")) {
    input.onchange = () => {
      $("drop").hidden = source() !== "file";
      $("start").disabled = source() === "file";
      notice(source() === "browser" ? microphoneProblem() : "");
    };
  }
  onDroppedFile(openFile, () => stop !== null);
  try {
    const { models: [model], limits, microphone, version } = await json("/v1/models");
    answers.setLabels(model.labels);
    $("about-body").replaceChildren(describe(model, [
      ["Limits of the server", `${Math.round(limits.max_bytes / 1048576)} MiB per upload, ${limits.max_streams} live streams`],
      ["Version", version],
    ]));
    $("device-choice").hidden = !microphone;
    await loadProfiles();
    setUpEnrolment(model.labels, async (name, text) => { await loadProfiles(name); notice(text); });
    state("ready");
    document.documentElement.dataset.ready = "true";
  } catch (error) {
    state("not connected");
    notice(error.message);
    return;
  }
  if (microphoneProblem()) notice(microphoneProblem());
}

main();

// The page: live answers, files, utterances and profiles.

import { deviceEvents, json, onTokenNeeded, openStream, request } from "/page/api.js";
import { Recording, decodeFile, microphoneProblem, openMicrophone, play, toInt16 } from "/page/audio.js";
import { Chart, colourClass } from "/page/chart.js";
import { setUpEnrolment } from "/page/enrol.js";

const $ = (id) => document.getElementById(id);
const chart = new Chart($("chart"));
let labels = [];
let utterances = []; // {start, end, answer, confidence}
let recording = null; // of the browser's microphone or of a file
let stop = null; // ends the source in use
let file = null;

function notice(text) {
  $("notice").hidden = !text;
  $("notice").textContent = text;
}

function state(text) { $("state").textContent = text; }

const clock = (seconds) => {
  const tenths = Math.round(seconds * 10), minutes = Math.floor(tenths / 600);
  return `${minutes}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
};
const percent = (p) => (p === null || p === undefined ? "" : `${Math.round(100 * p)} %`);
const answerOf = (row) => row.label ?? (row.guess ? `${row.status} (${row.guess}?)` : row.status);
const source = () => document.querySelector("input[name=source]:checked").value;

function showAnswer(row) {
  const label = row ? answerOf(row) : "–";
  $("label").textContent = label;
  $("label").className = `label ${colourClass(labels, row?.label)}`;
  const arousal = row?.arousal === null || row?.arousal === undefined ? "" : `, arousal ${percent(row.arousal)}`;
  $("confidence").textContent = row?.confidence ? `confidence ${percent(row.confidence)}${arousal}` : "";
  for (const item of $("bars").children) {
    const p = row?.probabilities?.[item.dataset.label] ?? 0;
    item.querySelector("meter").value = p;
    item.lastChild.textContent = percent(p);
  }
}

function setUpLabels() {
  $("bars").replaceChildren(...labels.map((label) => {
    const item = document.createElement("li");
    item.dataset.label = label;
    const name = document.createElement("span");
    name.textContent = label;
    name.className = colourClass(labels, label);
    const meter = document.createElement("meter");
    meter.setAttribute("aria-label", label);
    const value = document.createElement("span");
    item.append(name, meter, value);
    return item;
  }));
  $("legend").replaceChildren(...labels.map((label, k) => {
    const item = document.createElement("li");
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("width", "28");
    svg.setAttribute("height", "10");
    svg.setAttribute("class", colourClass(labels, label));
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    for (const [name, value] of Object.entries({ x1: 0, x2: 28, y1: 5, y2: 5, stroke: "currentColor",
      "stroke-width": 3, "stroke-dasharray": k % 2 ? "6 3" : "none" })) line.setAttribute(name, value);
    svg.append(line);
    item.append(svg, label);
    return item;
  }));
}

function clear() {
  utterances = [];
  $("rows").replaceChildren();
  chart.clear(labels);
  showAnswer(null);
  updateList();
}

function updateList() {
  $("empty").hidden = utterances.length > 0;
  for (const id of ["save-csv", "save-srt", "clear"]) $(id).disabled = !utterances.length;
}

function addUtterance(row) {
  utterances.push(row);
  const line = document.createElement("tr");
  const cell = (text, name) => {
    const element = document.createElement("td");
    element.textContent = text;
    if (name) element.className = name;
    line.append(element);
    return element;
  };
  cell(`${clock(row.start)} – ${clock(row.end)}`);
  cell(answerOf(row), colourClass(labels, row.label));
  cell(percent(row.confidence));
  const listen = cell("");
  if (recording) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = "Play";
    button.setAttribute("aria-label", `Play ${clock(row.start)}, ${answerOf(row)}`);
    const from = recording;
    button.onclick = () => {
      const samples = from.slice(row.start, row.end);
      if (samples) play(samples, from.sampleRate);
      else { button.disabled = true; button.textContent = "too old"; }
    };
    listen.append(button);
  }
  $("rows").append(line);
  updateList();
}

function onEvent(row) {
  if (row.event === "overrun") { notice(`${row.seconds.toFixed(1)} s of audio were lost.`); return; }
  showAnswer(row);
  chart.addPoint(row.end, row.probabilities);
  if (row.event === "end") {
    chart.addBreak();
    chart.addSpan({ start: row.start, end: row.end, label: row.label ?? row.status });
    addUtterance(row);
    $("live").textContent = `${answerOf(row)} ${percent(row.confidence)}`;
    $("table-box").scrollTop = $("table-box").scrollHeight;
  }
}

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
  recording = new Recording(microphone.sampleRate);
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
      event: onEvent,
      close: end,
    },
  );
  stop = () => { microphone.close(); isOpen = false; stream.stop(); };
}

async function startDevice() {
  const abort = new AbortController();
  recording = null;
  stop = () => abort.abort();
  state("listening to the device");
  const end = (error) => {
    stop = null;
    running(false);
    state("ready");
    if (error && error.name !== "AbortError" && !abort.signal.aborted) notice(error.message);
  };
  deviceEvents(onEvent, abort.signal).then(() => end(null), end);
}

async function start() {
  notice("");
  clear();
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
  clear();
  state(`reading ${file.name}`);
  try {
    const [timeline, decoded] = await Promise.all([json("/v1/timeline", timelineForm("json")), decodeFile(file)]);
    recording = decoded;
    chart.clear(labels);
    chart.showRecording(recording, timeline.seconds);
    for (const segment of timeline.segments) {
      if (segment.status === "no speech") continue;
      chart.addSpan({ ...segment, label: segment.label ?? segment.status });
      chart.addPoint(segment.start, segment.probabilities);
      chart.addPoint(segment.end, segment.probabilities);
      chart.addBreak();
      addUtterance(segment);
      showAnswer(segment);
    }
    if (!utterances.length) showAnswer({ label: null, guess: null, status: "no speech" });
    if (!timeline.complete) notice("The recording breaks off; the answers end there.");
    $("live").textContent = `${utterances.length} segments with speech`;
  } catch (error) {
    notice(error.message);
  }
  state("ready");
}

function save(text, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function saveList(format) {
  if (source() === "file" && file) {
    const answer = await request("/v1/timeline", timelineForm(format));
    save(await answer.text(), `${file.name}.${format}`, "text/plain");
    return;
  }
  if (format === "csv") {
    const lines = utterances.map((u) => [u.start, u.end, u.label ?? "", u.status, u.guess ?? "", u.confidence ?? "",
      ...labels.map((label) => u.probabilities?.[label] ?? ""), u.arousal ?? ""].join(","));
    save([["start", "end", "label", "status", "guess", "confidence", ...labels, "arousal"].join(","), ...lines, ""].join("\n"),
      "utterances.csv", "text/csv");
    return;
  }
  const time = (seconds) => new Date(Math.round(seconds * 1000)).toISOString().slice(11, 23).replace(".", ",");
  save(utterances.filter((u) => u.status !== "no speech").map((u, k) =>
    `${k + 1}\n${time(u.start)} --> ${time(u.end)}\n${answerOf(u)} ${percent(u.confidence)}\n`).join("\n"),
  "utterances.srt", "application/x-subrip");
}

async function loadProfiles(selected = "") {
  const { profiles } = await json("/v1/profiles");
  const options = profiles.filter((row) => !row.error).map((row) => new Option(row.name, row.name));
  $("profile").replaceChildren(new Option("unknown", ""), ...options);
  $("profile").value = selected;
  $("profile-delete").hidden = !$("profile").value;
}

function describe(model, limits, version) {
  const list = document.createElement("dl");
  const add = (name, value) => {
    if (value === null || value === undefined || value === "") return;
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name;
    dd.textContent = value;
    list.append(dt, dd);
  };
  const text = (value) => (typeof value === "number" ? String(Math.round(value * 1000) / 1000)
    : typeof value === "object" && value ? Object.entries(value).map(([k, v]) => `${k} ${text(v)}`).join("; ") : String(value));
  add("Model", `${model.name} (${model.file}, ${model.bytes.toLocaleString("en")} bytes)`);
  add("Emotions", model.labels.join(", "));
  add("Licence", model.licence);
  add("Trained on", model.corpora.map(text).join(", "));
  add("Scores", Object.entries(model.scores).map(([k, v]) => `${k}: ${text(v)}`).join("\n"));
  add("Limits of the model", "The answer is a guess from the sound of a voice, not what a person feels. " +
    "Acted speech trained it; strangers and other languages are answered worse. Do not decide about people by it.");
  add("Uncertain", `confidence below ${percent(model.uncertain_below)}`);
  add("Limits of the server", `${Math.round(limits.max_bytes / 1048576)} MiB per upload, ${limits.max_streams} live streams`);
  add("Version", version);
  $("about-body").replaceChildren(list);
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
  $("clear").onclick = clear;
  $("save-csv").onclick = () => saveList("csv").catch((error) => notice(error.message));
  $("save-srt").onclick = () => saveList("srt").catch((error) => notice(error.message));
  $("file").onchange = (event) => openFile(event.target.files[0]);
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
  document.addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
  document.addEventListener("dragleave", () => $("drop").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    if (stop) return;
    document.querySelector("input[value=file]").checked = true;
    $("drop").hidden = false;
    $("start").disabled = true;
    openFile(event.dataTransfer.files[0]);
  });
  try {
    const { models: [model], limits, microphone, version } = await json("/v1/models");
    labels = model.labels;
    setUpLabels();
    clear();
    describe(model, limits, version);
    $("device-choice").hidden = !microphone;
    await loadProfiles();
    setUpEnrolment(labels, async (name, text) => { await loadProfiles(name); notice(text); });
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

// The answers: the one now, the picture, the list, and its downloads.

import { play } from "./audio.js";
import { Chart, colourClass } from "./chart.js";

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

export const percent = (p) => (p === null || p === undefined ? "" : `${Math.round(100 * p)} %`);
export const answerOf = (row) => row.label ?? (row.guess ? `${row.status} (${row.guess}?)` : row.status);

export function clock(seconds) {
  const tenths = Math.round(seconds * 10), minutes = Math.floor(tenths / 600);
  return `${minutes}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
}

export function notice(text) {
  $("notice").hidden = !text;
  $("notice").textContent = text;
}

export function state(text) { $("state").textContent = text; }

export function saveFile(text, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Calls `onFile` with a file that is chosen or dropped, unless `isBusy()`.
export function onDroppedFile(onFile, isBusy) {
  $("file").onchange = (event) => onFile(event.target.files[0]);
  document.addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
  document.addEventListener("dragleave", () => $("drop").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    if (isBusy()) return;
    document.querySelector("input[value=file]").checked = true;
    $("drop").hidden = false;
    $("start").disabled = true;
    onFile(event.dataTransfer.files[0]);
  });
}

// A description list of a row of `GET /v1/models`, with further rows [name, value].
export function describe(model, further) {
  const list = document.createElement("dl");
  const { strangers, test } = model.scores;
  const uar = (value) => (typeof value === "number" ? percent(value) : "");
  const rows = [
    ["Model", `${model.name} (${model.file}, ${model.bytes.toLocaleString("en")} bytes)`],
    ["Emotions", model.labels.join(", ")],
    ["Licence", model.licence],
    ["Trained on", model.corpora.map(({ name, clips, speakers, licence }) =>
      `${name}: ${[clips && `${clips} clips`, speakers && `${speakers} speakers`, licence].filter(Boolean).join(", ")}`).join("\n")],
    ["Mean recall, other corpora", uar(strangers?.uar)],
    ["Mean recall, other speakers", uar(test?.uar)],
    ["Limits of the model", "The answer is a guess from the sound of a voice, not what a person feels. " +
      "Acted speech trained it; strangers and other languages are answered worse. Do not decide about people by it."],
    ["Uncertain", `confidence below ${percent(model.uncertain_below)}`],
    ...further,
  ];
  for (const [name, value] of rows) {
    if (value === null || value === undefined || value === "") continue;
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name;
    dd.textContent = value;
    list.append(dt, dd);
  }
  return list;
}

export class Answers {
  constructor() {
    this.chart = new Chart($("chart"));
    this.labels = [];
    this.rows = []; // {start, end, label, status, guess, confidence, probabilities, arousal}
    this.recording = null; // whose parts the list plays
    $("clear").onclick = () => this.clear();
  }

  setLabels(labels) {
    this.labels = labels;
    $("bars").replaceChildren(...labels.map((label) => {
      const item = document.createElement("li");
      item.dataset.label = label;
      const name = document.createElement("span");
      name.textContent = label;
      name.className = colourClass(labels, label);
      const meter = document.createElement("meter");
      meter.setAttribute("aria-label", label);
      item.append(name, meter, document.createElement("span"));
      return item;
    }));
    $("legend").replaceChildren(...labels.map((label, k) => {
      const item = document.createElement("li");
      const svg = document.createElementNS(SVG, "svg");
      svg.setAttribute("width", "28");
      svg.setAttribute("height", "10");
      svg.setAttribute("class", colourClass(labels, label));
      const line = document.createElementNS(SVG, "line");
      for (const [name, value] of Object.entries({ x1: 0, x2: 28, y1: 5, y2: 5, stroke: "currentColor",
        "stroke-width": 3, "stroke-dasharray": k % 2 ? "6 3" : "none" })) line.setAttribute(name, value);
      svg.append(line);
      item.append(svg, label);
      return item;
    }));
    this.clear();
  }

  clear() {
    this.rows = [];
    $("rows").replaceChildren();
    this.chart.clear(this.labels);
    this.show(null);
    this.updateList();
  }

  updateList() {
    $("empty").hidden = this.rows.length > 0;
    for (const id of ["save-csv", "save-srt", "clear"]) $(id).disabled = !this.rows.length;
  }

  // Shows an answer as the one now; null for none.
  show(row) {
    $("label").textContent = row ? answerOf(row) : "–";
    $("label").className = `label ${colourClass(this.labels, row?.label)}`;
    const arousal = row?.arousal === null || row?.arousal === undefined ? "" : `, arousal ${percent(row.arousal)}`;
    $("confidence").textContent = row?.confidence ? `confidence ${percent(row.confidence)}${arousal}` : "";
    for (const item of $("bars").children) {
      const p = row?.probabilities?.[item.dataset.label] ?? 0;
      item.querySelector("meter").value = p;
      item.lastChild.textContent = percent(p);
    }
  }

  // Appends an answer to the list.
  add(row) {
    this.rows.push(row);
    const line = document.createElement("tr");
    const cell = (text, name) => {
      const element = document.createElement("td");
      element.textContent = text;
      if (name) element.className = name;
      line.append(element);
      return element;
    };
    cell(`${clock(row.start)} – ${clock(row.end)}`);
    cell(answerOf(row), colourClass(this.labels, row.label));
    cell(percent(row.confidence));
    const listen = cell("");
    if (this.recording) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "plain";
      button.textContent = "Play";
      button.setAttribute("aria-label", `Play ${clock(row.start)}, ${answerOf(row)}`);
      const { recording } = this;
      button.onclick = () => {
        const samples = recording.slice(row.start, row.end);
        if (samples) play(samples, recording.sampleRate);
        else { button.disabled = true; button.textContent = "too old"; }
      };
      listen.append(button);
    }
    $("rows").append(line);
    this.updateList();
  }

  // Shows an event of a live stream.
  onEvent(row) {
    if (row.event === "overrun") { notice(`${row.seconds.toFixed(1)} s of audio were lost.`); return; }
    this.show(row);
    this.chart.addPoint(row.end, row.probabilities);
    if (row.event !== "end") return;
    this.chart.addBreak();
    this.chart.addSpan({ start: row.start, end: row.end, label: row.label ?? row.status });
    this.add(row);
    $("live").textContent = `${answerOf(row)} ${percent(row.confidence)}`;
    $("table-box").scrollTop = $("table-box").scrollHeight;
  }

  // Appends a stretch of a recording to the picture and to the list.
  addSegment(row) {
    this.chart.addSpan({ ...row, label: row.label ?? row.status });
    this.chart.addPoint(row.start, row.probabilities);
    this.chart.addPoint(row.end, row.probabilities);
    this.chart.addBreak();
    this.add(row);
    this.show(row);
  }

  // Saves the list as "csv" or "srt".
  save(format, name = "utterances") {
    if (format === "csv") {
      const columns = ["start", "end", "label", "status", "guess", "confidence", ...this.labels, "arousal"];
      const lines = this.rows.map((row) => columns.map((column) =>
        (this.labels.includes(column) ? row.probabilities?.[column] : row[column]) ?? "").join(","));
      saveFile([columns.join(","), ...lines, ""].join("\n"), `${name}.csv`, "text/csv");
      return;
    }
    const time = (seconds) => new Date(Math.round(seconds * 1000)).toISOString().slice(11, 23).replace(".", ",");
    saveFile(this.rows.filter((row) => row.status !== "no speech").map((row, k) =>
      `${k + 1}\n${time(row.start)} --> ${time(row.end)}\n${answerOf(row)} ${percent(row.confidence)}\n`).join("\n"),
    `${name}.srt`, "application/x-subrip");
  }
}

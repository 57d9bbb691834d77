// The dialog that creates a profile.

import { json } from "./api.js";
import { openMicrophone, wavFile } from "./audio.js";

const SENTENCES = [
  "It will be finished in seven hours.",
  "The bag is still on the table in the hall.",
  "They have just carried it upstairs.",
];
const CLIP_SECONDS = 5, FREE_SECONDS = 60;
const $ = (id) => document.getElementById(id);

export function setUpEnrolment(labels, onCreated) {
  const dialog = $("enrol");
  let tasks = [], clips = [], microphone = null, timer = 0;

  const kind = () => document.querySelector("input[name=enrol-kind]:checked").value;

  function reset() {
    stopMicrophone();
    clips = [];
    tasks = kind() === "guided"
      ? labels.flatMap((label) => SENTENCES.map((sentence) => ({ label, sentence })))
      : kind() === "free" ? [{ label: null, sentence: "" }] : [];
    $("enrol-files").hidden = kind() !== "files";
    $("enrol-record").hidden = kind() === "files";
    show();
  }

  function show(text = "") {
    const task = tasks[clips.length];
    const total = tasks.length || 1;
    $("enrol-progress").hidden = kind() === "files";
    $("enrol-progress").value = tasks.length ? (clips.length) / total : 0;
    $("enrol-skip").hidden = !(kind() === "guided" && task);
    $("enrol-record").disabled = !task || microphone !== null;
    $("enrol-record").textContent = microphone ? "Recording" : "Record";
    $("enrol-save").disabled = microphone !== null || !(clips.length || $("enrol-files").files.length);
    if (text) { $("enrol-task").textContent = text; return; }
    if (kind() === "files") $("enrol-task").textContent = "Choose recordings of one speaker, about a minute in all.";
    else if (!task) $("enrol-task").textContent = "All is recorded. Save the profile.";
    else if (kind() === "free") $("enrol-task").textContent = "Read anything aloud for a minute, in different moods.";
    else $("enrol-task").textContent = `Say it as if you were ${task.label}: “${task.sentence}” (${clips.length + 1} of ${total})`;
  }

  function stopMicrophone() {
    clearTimeout(timer);
    microphone?.close();
    microphone = null;
  }

  async function record() {
    const task = tasks[clips.length];
    const seconds = kind() === "free" ? FREE_SECONDS : CLIP_SECONDS;
    const blocks = [];
    try {
      microphone = await openMicrophone((block) => {
        blocks.push(block);
      });
    } catch (error) {
      show(error.message);
      return;
    }
    const { sampleRate } = microphone;
    show();
    timer = setTimeout(() => {
      stopMicrophone();
      clips.push({ label: task.label, file: wavFile(blocks, sampleRate) });
      show();
      $("enrol-record").focus();
    }, seconds * 1000);
  }

  async function save() {
    const name = $("enrol-name").value.trim();
    if (!name) { show("Enter a name first."); $("enrol-name").focus(); return; }
    const form = new FormData();
    form.append("name", name);
    form.append("force", "true");
    if (kind() === "files") {
      for (const file of $("enrol-files").files) form.append("file", file, file.name);
    } else {
      clips.forEach(({ label, file }, k) => {
        form.append("file", file, `recording ${k + 1}.wav`);
        if (label) form.append("label", label);
      });
    }
    $("enrol-save").disabled = true;
    show("Saving …");
    try {
      const profile = await json("/v1/profiles", { method: "POST", body: form });
      const warnings = profile.warnings.length ? ` Note: ${profile.warnings.join("; ")}.` : "";
      await onCreated(profile.name, `Profile ${profile.name}: ${Math.round(profile.seconds)} s of speech.${warnings}`);
      dialog.close();
    } catch (error) {
      show(error.message);
    }
  }

  for (const input of document.querySelectorAll("input[name=enrol-kind]")) input.onchange = reset;
  $("enrol-files").onchange = () => show();
  $("enrol-record").onclick = record;
  $("enrol-save").onclick = save;
  $("enrol-skip").onclick = () => {
    const { label } = tasks[clips.length];
    tasks = tasks.filter((task, k) => k < clips.length || task.label !== label);
    show();
  };
  $("enrol-close").onclick = () => dialog.close();
  dialog.onclose = stopMicrophone;
  $("enrol-open").onclick = () => { reset(); dialog.showModal(); };
}

// Uses the page without a server in Chromium, and prints the result of each scenario as JSON.
//
//   node web.mjs '{"url": …, "clip": …, "clips": […], "scenarios": […]}'

import { readFile } from "node:fs/promises";
import { axe, chooseFile, download, dropFile, keyboard, launch, looks, open as openPage, rows, run } from "./tools.mjs";

const options = JSON.parse(process.argv[2]);
const browser = await launch({ program: options.chromium, microphone: options.microphone });
const open = (settings = {}) => openPage(browser, options.url, settings);
// Requests that reached the server.
const requests = async () => (await fetch(new URL("/requests", options.url))).json();
const state = (page, text) => page.waitForFunction((text) => document.getElementById("state").textContent === text, text);

async function live(page) {
  await page.click("#start");
  await page.waitForSelector("#rows tr");
  const label = await page.textContent("#label");
  const confidence = await page.textContent("#confidence");
  await page.click("#rows tr:first-child button");
  await page.click("#stop");
  await state(page, "ready");
  return { label, confidence, rows: await rows(page) };
}

async function files(page) {
  await chooseFile(page, options.clip);
  await state(page, "ready");
  const result = { rows: await rows(page), srt: await download(page, "#save-srt"), csv: await download(page, "#save-csv") };
  await page.click("#clear");
  await dropFile(page, options.clip);
  await state(page, "ready");
  return { ...result, label: await page.textContent("#label"), dropped: await rows(page) };
}

const scenarios = {
  async all() {
    const { page, context, problems } = await open();
    await page.waitForSelector("html[data-offline]");
    const before = (await requests()).length;
    const result = { live: await live(page), files: await files(page), problems };
    result.requests = (await requests()).slice(before);
    await context.close();
    return result;
  },

  async offline() {
    const { page, context, problems } = await open();
    await page.waitForSelector("html[data-offline]");
    const before = (await requests()).length;
    await context.setOffline(true);
    await page.reload();
    await page.waitForSelector("html[data-ready]");
    const result = { files: await files(page), problems };
    result.requests = (await requests()).slice(before);
    await context.close();
    return result;
  },

  async unreadable() {
    const { page, context } = await open();
    await page.check("input[value=file]");
    await page.setInputFiles("#file", { name: "text.wav", mimeType: "audio/wav", buffer: Buffer.from("text") });
    await page.waitForSelector("#notice:not([hidden])");
    await state(page, "ready");
    const result = { notice: await page.textContent("#notice") };
    await context.close();
    return result;
  },

  looks: () => looks(open, options.clip, options.pictures && `${options.pictures}/web`),

  async keyboard() {
    const { page, context } = await open();
    const reached = await keyboard(page, 8);
    await page.click("#about-open");
    const about = await page.textContent("#about-body");
    await context.close();
    return { reached, about };
  },

  // Answers of the engine for clips {file, rate, chunk} of raw float32 samples, and the utterances.
  async answers() {
    const { page, context, problems } = await open();
    const results = [];
    for (const { file, rate, chunk } of options.clips) {
      const text = (await readFile(file)).toString("base64");
      results.push(await page.evaluate(async ({ text, rate, chunk }) => {
        const { Client } = await import(new URL("client.js", location.href));
        if (!window.client) {
          window.client = new Client();
          const get = (name) => fetch(name);
          await window.client.load(await (await get("engine.wasm")).arrayBuffer(), await (await get("model.json")).json());
        }
        const samples = new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
        const results = [];
        for (const isClip of [true, false]) {
          await window.client.reset({ isClip, updates: false });
          const events = [];
          for (let from = 0; from < samples.length; from += chunk) {
            events.push(...await window.client.push(samples.slice(from, from + chunk), rate));
          }
          events.push(...await window.client.flush());
          results.push(isClip ? await window.client.result() : events);
        }
        return { answer: results[0], events: results[1] };
      }, { text, rate, chunk }));
    }
    await context.close();
    return { results, problems };
  },

  // A new version replaces the old one, without a mixture of both.
  async update() {
    const { page, context, problems } = await open();
    await page.waitForSelector("html[data-offline]");
    await fetch(new URL("/publish", options.url));
    // One load notices the new version, and a later one activates it and loads itself again.
    for (let loads = 0, isNew = false; loads < 10 && !isNew; loads++) {
      await page.reload({ waitUntil: "commit", timeout: 10_000 }).catch(() => {}); // the page may load itself again
      for (let k = 0; k < 50 && !isNew; k++) {
        await page.waitForTimeout(200);
        isNew = (await page.title().catch(() => "")).startsWith("New");
      }
    }
    await page.waitForSelector("html[data-ready]");
    const caches = await page.evaluate(() => caches.keys());
    await context.close();
    return { caches, problems };
  },
};

await run(browser, scenarios, options.scenarios);

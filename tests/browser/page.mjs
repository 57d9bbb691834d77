// Uses the page in Chromium, and prints one JSON object: the result of each scenario.
//
//   node page.mjs '{"url": …, "clip": …, "scenarios": […]}'

import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const options = JSON.parse(process.argv[2]);
const require = createRequire(import.meta.url);
const axeSource = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");
const port = new URL(options.url).port;
const PHONE = { width: 360, height: 740 }, DESKTOP = { width: 1200, height: 900 };

const browser = await chromium.launch({
  executablePath: options.chromium ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    `--use-file-for-fake-audio-capture=${options.microphone}`,
    "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP box.example 127.0.0.1",
  ],
});

// Opens the page, and collects what it should not do.
async function open({ url = options.url, ready = true, ...settings } = {}) {
  const context = await browser.newContext({ viewport: DESKTOP, acceptDownloads: true, ...settings });
  const page = await context.newPage();
  const problems = [];
  page.on("console", (message) => { if (message.type() === "error") problems.push(message.text()); });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => {
    const host = new URL(request.url());
    if (!["blob:", "data:"].includes(host.protocol) && host.port !== port) problems.push(`request ${request.url()}`);
  });
  await page.goto(url);
  if (ready) await page.waitForSelector("html[data-ready]");
  return { page, context, problems };
}

const rows = (page) => page.$$eval("#rows tr", (lines) => lines.map((line) => [...line.children].map((c) => c.textContent)));

async function axe(page) {
  // Through the debugger, which the policy of the page does not restrict.
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`);
}

const scenarios = {
  async live() {
    const { page, context, problems } = await open();
    await page.click("#start");
    await page.waitForSelector("#rows tr", { timeout: 30_000 });
    const label = await page.textContent("#label");
    await page.click("#rows tr:first-child button");
    await page.click("#stop");
    await page.waitForFunction(() => document.getElementById("state").textContent === "ready");
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save-csv")]);
    const csv = await readFile(await download.path(), "utf8");
    const result = { rows: await rows(page), label, csv, problems, violations: await axe(page) };
    await context.close();
    return result;
  },

  async file() {
    const { page, context, problems } = await open();
    await page.check("input[value=file]");
    await page.setInputFiles("#file", options.clip);
    await page.waitForSelector("#rows tr");
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save-srt")]);
    const srt = await readFile(await download.path(), "utf8");
    const result = { rows: await rows(page), srt, problems };
    await context.close();
    return result;
  },

  async drop() {
    const { page, context, problems } = await open();
    const content = (await readFile(options.clip)).toString("base64");
    const transfer = await page.evaluateHandle((text) => {
      const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], "dropped.wav", { type: "audio/wav" }));
      return transfer;
    }, content);
    await page.dispatchEvent("main", "drop", { dataTransfer: transfer });
    await page.waitForSelector("#rows tr");
    const result = { rows: await rows(page), problems };
    await context.close();
    return result;
  },

  async unreadable() {
    const { page, context } = await open();
    await page.check("input[value=file]");
    await page.setInputFiles("#file", { name: "text.wav", mimeType: "audio/wav", buffer: Buffer.from("text") });
    await page.waitForSelector("#notice:not([hidden])");
    const result = { notice: await page.textContent("#notice") };
    await context.close();
    return result;
  },

  async enrol() {
    const { page, context, problems } = await open();
    await page.click("#enrol-open");
    const violations = await axe(page);
    await page.fill("#enrol-name", "Anna");
    const tasks = [await page.textContent("#enrol-task")];
    for (let k = 0; k < 2; k++) {
      await page.click("#enrol-record");
      await page.waitForFunction(() => document.getElementById("enrol-record").disabled);
      await page.waitForFunction(() => !document.getElementById("enrol-record").disabled, null, { timeout: 15_000 });
      tasks.push(await page.textContent("#enrol-task"));
      await page.click("#enrol-skip");
    }
    await page.click("#enrol-save");
    await page.waitForSelector("#enrol:not([open])", { state: "attached" });
    const notice = await page.textContent("#notice");
    const selected = await page.$eval("#profile", (select) => select.value);
    const profile = await (await page.request.get(`${options.url}v1/profiles/Anna`)).json();
    page.on("dialog", (dialog) => dialog.accept());
    await page.click("#profile-delete");
    await page.waitForFunction(() => document.getElementById("profile").options.length === 1);
    await context.close();
    return { tasks, notice, selected, profile, problems, violations };
  },

  async looks() {
    const violations = {};
    for (const colorScheme of ["light", "dark"]) {
      for (const [name, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
        const { page, context } = await open({ colorScheme, viewport });
        await page.check("input[value=file]");
        await page.setInputFiles("#file", options.clip);
        await page.waitForSelector("#rows tr");
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        violations[`${name} ${colorScheme}`] = [...(await axe(page)), ...(overflow > 0 ? [`overflow ${overflow}`] : [])];
        await page.click("#about-open");
        violations[`${name} ${colorScheme} about`] = await axe(page);
        await page.keyboard.press("Escape");
        if (options.pictures) {
          await page.waitForTimeout(300);
          await page.screenshot({ path: `${options.pictures}/serve-${name}-${colorScheme}.png`, fullPage: name === "phone" });
        }
        await context.close();
      }
    }
    return violations;
  },

  async keyboard() {
    const { page, context } = await open();
    const reached = [];
    for (let k = 0; k < 12; k++) {
      await page.keyboard.press("Tab");
      reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.value));
    }
    await context.close();
    return reached;
  },

  async rebinding() {
    const context = await browser.newContext();
    const page = await context.newPage();
    const answer = await page.goto(`http://evil.example:${port}/`);
    const own = await page.evaluate(async () => (await fetch("/v1/models")).status);
    const cross = await page.evaluate(async (url) => {
      try { return (await fetch(`${url}v1/models`)).status; } catch (error) { return error.name; }
    }, options.url);
    const stream = await page.evaluate((url) => new Promise((resolve) => {
      const socket = new WebSocket(`${url.replace("http", "ws")}v1/stream`, ["edge-ser.v1"]);
      socket.onopen = () => resolve("open");
      socket.onerror = () => resolve("refused");
    }), options.url);
    await context.close();
    return { status: answer.status(), own, cross, stream };
  },

  async insecure() {
    const { page, context } = await open({ url: `http://box.example:${port}/` });
    const notice = await page.textContent("#notice");
    await page.check("input[value=file]");
    await page.setInputFiles("#file", options.clip);
    await page.waitForSelector("#rows tr");
    const result = { notice, rows: await rows(page) };
    await context.close();
    return result;
  },

  async token() {
    const { page, context } = await open({ ready: false });
    await page.waitForSelector("#access[open]");
    const violations = await axe(page);
    await page.fill("#token", "wrong token");
    await page.keyboard.press("Enter");
    await page.waitForTimeout(500);
    await page.waitForSelector("#access[open]");
    await page.fill("#token", options.token);
    await page.keyboard.press("Enter");
    await page.waitForSelector("html[data-ready]");
    await page.click("#start");
    await page.waitForSelector("#rows tr", { timeout: 30_000 });
    await page.click("#stop");
    const result = { rows: await rows(page), violations, url: page.url() };
    await context.close();
    return result;
  },
};

const results = {};
try {
  for (const name of options.scenarios) results[name] = await scenarios[name]();
} finally {
  await browser.close();
}
console.log(JSON.stringify(results));

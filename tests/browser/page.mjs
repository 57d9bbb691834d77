// Uses the page in Chromium, and prints one JSON object: the result of each scenario.
//
//   node page.mjs '{"url": …, "clip": …, "scenarios": […]}'

import { axe, chooseFile, download, dropFile, keyboard, launch, looks, open as openPage, rows, run } from "./tools.mjs";

const options = JSON.parse(process.argv[2]);
const port = new URL(options.url).port;
const browser = await launch(
  { program: options.chromium, microphone: options.microphone },
  "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP box.example 127.0.0.1",
);
const open = ({ url = options.url, ...settings } = {}) => openPage(browser, url, settings);

const scenarios = {
  async live() {
    const { page, context, problems } = await open();
    await page.click("#start");
    await page.waitForSelector("#rows tr");
    const label = await page.textContent("#label");
    await page.click("#rows tr:first-child button");
    await page.click("#stop");
    await page.waitForFunction(() => document.getElementById("state").textContent === "ready");
    const csv = await download(page, "#save-csv");
    const result = { rows: await rows(page), label, csv, problems, violations: await axe(page) };
    await context.close();
    return result;
  },

  async file() {
    const { page, context, problems } = await open();
    await chooseFile(page, options.clip);
    const srt = await download(page, "#save-srt");
    const result = { rows: await rows(page), srt, problems };
    await context.close();
    return result;
  },

  async drop() {
    const { page, context, problems } = await open();
    await dropFile(page, options.clip);
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
      await page.waitForFunction(() => !document.getElementById("enrol-record").disabled);
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

  looks: () => looks(open, options.clip, options.pictures && `${options.pictures}/serve`),

  async keyboard() {
    const { page, context } = await open();
    const reached = await keyboard(page, 12);
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
    await chooseFile(page, options.clip);
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
    await page.waitForSelector("#rows tr");
    await page.click("#stop");
    const result = { rows: await rows(page), violations, url: page.url() };
    await context.close();
    return result;
  },
};

await run(browser, scenarios, options.scenarios);

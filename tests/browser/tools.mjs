// Chromium with a fake microphone, and what all pages are examined for.

import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const axeSource = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");
export const PHONE = { width: 360, height: 740 }, DESKTOP = { width: 1200, height: 900 };

export function launch({ program, microphone }, ...args) {
  return chromium.launch({
    executablePath: program ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
      `--use-file-for-fake-audio-capture=${microphone}`,
      ...args,
    ],
  });
}

// Opens a page, and collects what it should not do.
export async function open(browser, url, { ready = true, ...settings } = {}) {
  const context = await browser.newContext({ viewport: DESKTOP, acceptDownloads: true, ...settings });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000); // processors may be busy
  const problems = [];
  const { port } = new URL(url);
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

export const rows = (page) => page.$$eval("#rows tr", (lines) => lines.map((line) => [...line.children].map((c) => c.textContent)));

export async function axe(page) {
  // Through the debugger, which the policy of the page does not restrict.
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`);
}

export async function chooseFile(page, file) {
  await page.check("input[value=file]");
  await page.setInputFiles("#file", file);
  await page.waitForSelector("#rows tr");
}

export async function dropFile(page, file) {
  const content = (await readFile(file)).toString("base64");
  const transfer = await page.evaluateHandle((text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], "dropped.wav", { type: "audio/wav" }));
    return transfer;
  }, content);
  await page.dispatchEvent("main", "drop", { dataTransfer: transfer });
  await page.waitForSelector("#rows tr");
}

// Saves the list by a button, and returns the text.
export async function download(page, button) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
  return readFile(await file.path(), "utf8");
}

// Examines the page with a recording, light and dark, on a desktop and on a phone.
export async function looks(openPage, clip, pictures) {
  const violations = {};
  for (const colorScheme of ["light", "dark"]) {
    for (const [name, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
      const { page, context } = await openPage({ colorScheme, viewport });
      await chooseFile(page, clip);
      await page.waitForFunction(() => document.getElementById("state").textContent === "ready");
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      violations[`${name} ${colorScheme}`] = [...(await axe(page)), ...(overflow > 0 ? [`overflow ${overflow}`] : [])];
      await page.click("#about-open");
      violations[`${name} ${colorScheme} about`] = await axe(page);
      await page.keyboard.press("Escape");
      if (pictures) {
        await page.waitForTimeout(300);
        await page.screenshot({ path: `${pictures}-${name}-${colorScheme}.png`, fullPage: name === "phone" });
      }
      await context.close();
    }
  }
  return violations;
}

export async function keyboard(page, presses) {
  const reached = [];
  for (let k = 0; k < presses; k++) {
    await page.keyboard.press("Tab");
    reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.value));
  }
  return reached;
}

// Runs the scenarios of the options, and prints one JSON object: the result of each.
export async function run(browser, scenarios, names) {
  const results = {};
  try {
    for (const name of names) results[name] = await scenarios[name]();
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(results));
}

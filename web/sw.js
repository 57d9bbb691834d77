// The service worker: one cache per version, which holds all files of the page.

const VERSION = "@VERSION@";
const FILES = ["./", ...@FILES@];
const PREFIX = `edge-ser ${registration.scope} `;

addEventListener("install", (event) => {
  event.waitUntil(caches.open(PREFIX + VERSION).then((cache) =>
    cache.addAll(FILES.map((file) => new Request(file, { cache: "reload" })))));
});

addEventListener("message", (event) => { if (event.data === "activate") skipWaiting(); });

addEventListener("activate", (event) => {
  event.waitUntil(caches.keys().then(async (names) => {
    const old = names.filter((name) => name.startsWith(PREFIX) && name !== PREFIX + VERSION);
    await Promise.all(old.map((name) => caches.delete(name)));
    await clients.claim();
  }));
});

addEventListener("fetch", (event) => {
  if (event.request.method !== "GET" || !event.request.url.startsWith(registration.scope)) return;
  event.respondWith(caches.open(PREFIX + VERSION).then(async (cache) =>
    await cache.match(event.request, { ignoreSearch: true }) ?? fetch(event.request)));
});

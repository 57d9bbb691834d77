// Requests to the server.

const KEY = "edge-ser token";
let token = sessionStorage.getItem(KEY) ?? "";
let askToken = async () => "";

export function onTokenNeeded(ask) { askToken = ask; }

function headers() { return token ? { authorization: `Bearer ${token}` } : {}; }

// Sends a request; asks for a token if one is needed. Errors have the sentence of the server.
export async function request(path, options = {}) {
  for (;;) {
    let answer;
    try {
      answer = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
    } catch {
      throw new Error("The server does not answer.");
    }
    if (answer.status === 401) {
      token = await askToken();
      sessionStorage.setItem(KEY, token);
      continue;
    }
    if (!answer.ok) {
      const problem = await answer.json().catch(() => ({}));
      throw new Error(problem.detail ?? `The server answered with ${answer.status}.`);
    }
    return answer;
  }
}

export async function json(path, options) { return (await request(path, options)).json(); }

// Opens a live stream; handlers: event, close(reason).
export function openStream(start, handlers) {
  const url = new URL("/v1/stream", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const protocols = ["edge-ser.v1"];
  if (token) {
    const bytes = new TextEncoder().encode(token);
    const text = btoa(String.fromCharCode(...bytes));
    protocols.push(`edge-ser.token.${text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`);
  }
  const socket = new WebSocket(url, protocols);
  socket.binaryType = "arraybuffer";
  let reason = "";
  let started = false;
  socket.onopen = () => socket.send(JSON.stringify({ type: "start", ...start }));
  socket.onmessage = (message) => {
    const value = JSON.parse(message.data);
    if (value.type === "problem") reason = value.problem.detail;
    else if (value.type === "started") { started = true; handlers.started?.(value); }
    else if (value.event) handlers.event(value);
  };
  socket.onclose = (event) => {
    if (!reason && event.code === 1001) reason = "The server is closing.";
    else if (!reason && !started) reason = "The stream was refused: too many streams, or no access.";
    else if (!reason && event.code !== 1000) reason = "The connection broke off.";
    handlers.close(reason);
  };
  return {
    send(samples) {
      if (socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > 2_000_000) return false;
      socket.send(samples);
      return true;
    },
    stop() {
      if (socket.readyState === WebSocket.OPEN) socket.send('{"type": "stop"}'); else socket.close();
    },
  };
}

// Reads the events of the device's microphone until `signal` aborts.
export async function deviceEvents(onEvent, signal) {
  const answer = await request("/v1/events", { signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      for (const line of text.slice(0, end).split("\n")) {
        if (line.startsWith("data: ")) onEvent(JSON.parse(line.slice(6)));
      }
    }
  }
}

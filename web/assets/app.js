// Keeps a page live: morphs the parts that the server draws anew, tells the
// age of what is shown, and adds crosshair, zoom and copy buttons. Every page
// reads and works without it.

const main = document.getElementById("main");
const indicator = document.getElementById("stream");
const lost = document.getElementById("lost");
const say = document.getElementById("say");

const MINUTE = 60, HOUR = 3600, DAY = 86400;
const LOST_AFTER = 25_000; // the server speaks at least every 10 s
const SPEAK_EVERY = 30_000;
const RELOAD_AT_MOST_EVERY = 3_000;

/* ---------- units: the same words as the server's, which tests compare ---------- */

const SPEEDS = [["KB/s", 1e3], ["MB/s", 1e6], ["GB/s", 1e9]];

export function rate(value) {
  if (!Number.isFinite(value)) return "–";
  value = Math.max(value, 0);
  const [unit, size] = SPEEDS.find(([, size]) => Math.round(value / size * 100) < 100_000) ?? SPEEDS[2];
  const scaled = value / size;
  return `${scaled >= 9999.995 ? scaled.toFixed(0) : scaled.toFixed(2)} ${unit}`;
}

export function age(seconds) {
  seconds = Math.max(0, Math.floor(seconds));
  if (seconds < MINUTE) return `${seconds} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < 2 * DAY) return `${Math.floor(seconds / HOUR)} h`;
  return `${Math.floor(seconds / DAY)} days`;
}

/* ---------- morph: makes one tree like another and touches only what differs ---------- */

function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.hasAttribute("data-keep")) return;
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    // What a visitor opened stays open.
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  // What a visitor is typing in stays as it is.
  if (old === document.activeElement && "value" in old) return;
  children(old, fresh);
}

// Elements with an id are matched by it, so that a card that moves keeps its
// arc and its focus; the others by their place.
function children(old, fresh) {
  const known = new Map([...old.children].filter((c) => c.id).map((c) => [c.id, c]));
  let next = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const same = child.id && known.get(child.id);
    if (same) {
      if (same !== next) old.insertBefore(same, next);
      else next = next.nextSibling;
      morph(same, child);
    } else if (next && !next.id && !child.id && !next.dataset?.keep && next.nodeName === child.nodeName) {
      const target = next;
      next = next.nextSibling;
      morph(target, child);
    } else {
      old.insertBefore(child, next);
    }
  }
  while (next) {
    const leaving = next;
    next = next.nextSibling;
    if (!(leaving.dataset && "keep" in leaving.dataset)) leaving.remove();
  }
}

function patch(id, html) {
  const old = document.getElementById(id);
  if (!old) return;
  const template = document.createElement("template");
  template.innerHTML = html;
  if (id === "cards") children(old, template.content);
  else if (template.content.firstElementChild) morph(old, template.content.firstElementChild);
}

/* ---------- the stream ---------- */

let source;
let over = false; // nobody is let in by asking again
let heard = Date.now();
let seen = Date.now(); // since when somebody has been looking
let followed = document.body.dataset.stream;
let stamp = indicator.querySelector("time").textContent;

function connect() {
  source?.close();
  source = undefined;
  // A tab that nobody sees follows nothing: a browser opens six connections to
  // a site for all its tabs together, and the seventh would wait for ever.
  if (!followed || document.hidden) return;
  over = false;
  const stream = new EventSource(followed);
  source = stream;
  stream.addEventListener("page", (event) => {
    const { at, parts = {}, reload } = JSON.parse(event.data);
    stamp = at;
    alive();
    for (const [id, html] of Object.entries(parts)) patch(id, html);
    tick();
    if (reload) refresh();
  });
  stream.addEventListener("alive", alive);
  stream.addEventListener("error", () => {
    if (stream !== source) return;
    show();
    // The browser reconnects by itself, but not after an answer it cannot use.
    if (stream.readyState === EventSource.CLOSED) setTimeout(again, 2000, stream);
  });
}

// Which answer that was the browser does not tell: the same question does.
function again(stream) {
  fetch(followed, { method: "HEAD" })
    .then(({ status }) => status === 401 || status === 403, () => false)
    .then((refused) => {
      if (stream !== source) return;
      if (refused) end();
      else connect();
    });
}

function end() {
  over = true;
  source = undefined;
  indicator.classList.add("stale");
  indicator.querySelector(".dot").className = "dot silent";
  text(indicator.querySelector(".word"), "As of");
  text(indicator.querySelector("time"), stamp);
  text(lost, `Logged out: load this page again to log in. The figures below are of ${stamp}.`);
  lost.hidden = false;
}

document.addEventListener("visibilitychange", () => {
  seen = Date.now();
  connect();
  if (document.hidden) return;
  tick();
  moveOn();
});

function alive() {
  heard = Date.now();
  show();
}

function show() {
  const live = source?.readyState === EventSource.OPEN && Date.now() - heard < LOST_AFTER;
  const ago = age((Date.now() - heard) / 1000);
  indicator.classList.toggle("stale", !live);
  indicator.querySelector(".dot").className = `dot ${live ? "live" : "silent"}`;
  text(indicator.querySelector(".word"), live ? "Live" : "Reconnecting");
  text(indicator.querySelector("time"), live ? stamp : `${ago} ago`);
  // What a tab missed while nobody looked is on its way, and not lost.
  lost.hidden = live || Date.now() - Math.max(heard, seen) < 4000;
  if (!lost.hidden) {
    text(lost, `Stream lost: reconnecting, last update ${ago} ago. The figures below are of ${stamp}.`);
  }
}

function text(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

/* ---------- the whole page anew: when rows came or went, or a chart is to move on ---------- */

let refreshed = Date.now();
let waiting;

function refresh() {
  clearTimeout(waiting);
  const pause = refreshed + RELOAD_AT_MOST_EVERY - Date.now();
  if (pause > 0) {
    waiting = setTimeout(refresh, pause);
    return;
  }
  refreshed = Date.now();
  fetch(location.href, { headers: { accept: "text/html" } })
    .then((answer) => {
      if (answer.redirected) location.reload(); // logged out elsewhere
      return answer.ok && !answer.redirected ? answer.text() : Promise.reject(answer.status);
    })
    .then((html) => {
      const page = new DOMParser().parseFromString(html, "text/html");
      morph(main, page.getElementById("main"));
      if (page.body.dataset.stream !== followed || over) {
        followed = page.body.dataset.stream;
        connect();
      }
      dress();
    })
    .catch(() => {}); // the stream's own state says what is wrong
}

// Not while somebody points at, or stands in, what would move.
function idle() {
  const busy = main.querySelector("table:hover, .frame:hover, form:focus-within, table:focus-within");
  return !busy && !document.hidden;
}

// Rows follow the traffic, and a chart the time.
function moveOn() {
  const every = Number(document.body.dataset.refresh) * 1000;
  if (every && Date.now() - refreshed >= every && idle()) refresh();
}

/* ---------- clockwork ---------- */

let spoken = Date.now();

function tick() {
  for (const time of document.querySelectorAll("time[data-age]")) {
    text(time, age((Date.now() - Date.parse(time.dateTime)) / 1000));
  }
}

setInterval(() => {
  tick();
  if (source) show();
  if (Date.now() - spoken >= SPEAK_EVERY) {
    spoken = Date.now();
    const words = document.getElementById("sum")?.dataset.say;
    if (words) text(say, words);
  }
  moveOn();
}, 1000);

/* ---------- charts: crosshair by pointer and by arrow keys, zoom by dragging ---------- */

const SVG = "http://www.w3.org/2000/svg";
const times = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
  timeZone: document.documentElement.dataset.zone || undefined,
});

function points(frame, direction) {
  const d = frame.querySelector(`.line.${direction}`)?.getAttribute("d") ?? "";
  const { from, to, zero, unit } = numbers(frame);
  return d.split(/[M ]/).filter(Boolean).map((pair) => {
    const [x, y] = pair.split(",").map(Number);
    return { x: x / 20, y, at: from + (x / 2000) * (to - from), value: Math.abs(zero - y) * unit };
  });
}

function numbers(frame) {
  const { from, to, zero, unit, plot } = frame.dataset;
  return { from: +from, to: +to, zero: +zero, unit: +unit, plot: +plot };
}

function nearest(list, x) {
  return list.reduce((best, point) => (Math.abs(point.x - x) < Math.abs(best.x - x) ? point : best), list[0]);
}

function draw(name, attributes, parent, words) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (words !== undefined) element.textContent = words;
  parent.append(element);
  return element;
}

// `x` in percent of the plot's width.
function crosshair(frame, x) {
  const plot = frame.querySelector(".plot");
  const up = points(frame, "up"), down = points(frame, "down");
  if (!up.length) return;
  const a = nearest(up, x), b = nearest(down, a.x);
  const { plot: height } = numbers(frame);
  frame.querySelector(".cross")?.remove();
  const left = a.x > 60;
  const edge = left ? -204 : 12, near = edge + 12, far = edge + 180;
  const cross = draw("svg", { class: "cross on", x: `${a.x}%`, width: 1, height: 1, overflow: "visible", "data-keep": "" }, plot);
  draw("line", { x1: 0, x2: 0, y1: 10, y2: 10 + height }, cross);
  draw("circle", { class: "up", r: 4, cy: 10 + (a.y / 1_000_000) * height }, cross);
  draw("circle", { class: "down", r: 4, cy: 10 + (b.y / 1_000_000) * height }, cross);
  draw("rect", { x: edge, y: 36, width: 192, height: 86, rx: 6 }, cross);
  draw("text", { x: near, y: 56 }, cross, times.format(a.at));
  const rows = [["up", "↑", "Upload", a.value], ["down", "↓", "Download", b.value], ["total", "Σ", "Total", a.value + b.value]];
  rows.forEach(([tone, arrow, word, value], i) => {
    const y = 76 + i * 18;
    draw("text", { class: tone, x: near, y }, cross, arrow);
    draw("text", { x: near + 16, y }, cross, word);
    draw("text", { class: "val", x: far, y, "text-anchor": "end" }, cross, rate(value));
  });
  frame.dataset.x = a.x;
}

function place(frame, event) {
  const box = frame.querySelector(".plot").getBoundingClientRect();
  return Math.min(100, Math.max(0, ((event.clientX - box.left) / box.width) * 100));
}

function leave(frame) {
  frame.querySelector(".cross")?.remove();
}

let drag;

main.addEventListener("pointermove", (event) => {
  const frame = event.target.closest?.(".frame[data-from]");
  if (!frame) return;
  const x = place(frame, event);
  crosshair(frame, x);
  if (drag?.frame === frame) {
    drag.end = x;
    drag.area ??= draw("rect", { class: "zoom", y: 10, height: numbers(frame).plot, "data-keep": "" }, frame.querySelector(".plot"));
    drag.area.setAttribute("x", `${Math.min(drag.start, x)}%`);
    drag.area.setAttribute("width", `${Math.abs(drag.start - x)}%`);
  }
});
main.addEventListener("pointerout", (event) => {
  const frame = event.target.closest?.(".frame[data-from]");
  if (frame && !frame.contains(event.relatedTarget)) leave(frame);
});
main.addEventListener("pointerdown", (event) => {
  const frame = event.target.closest?.(".frame[data-zoom]");
  if (!frame?.dataset.zoom || event.button !== 0 || event.pointerType === "touch") return;
  drag = { frame, start: place(frame, event) };
  drag.end = drag.start;
});
addEventListener("pointerup", () => {
  if (!drag) return;
  const { frame, start, end, area } = drag;
  drag = undefined;
  area?.remove();
  if (Math.abs(end - start) < 1) return;
  const { from, to } = numbers(frame);
  const at = (x) => new Date(from + (x / 100) * (to - from)).toISOString().replace(/\.\d+Z/, "Z");
  const url = new URL(frame.dataset.zoom, location.href);
  url.searchParams.set("from", at(Math.min(start, end)));
  url.searchParams.set("to", at(Math.max(start, end)));
  location.assign(url);
});
main.addEventListener("focusin", (event) => {
  if (event.target.matches(".frame[data-from]")) crosshair(event.target, Number(event.target.dataset.x ?? 100));
});
main.addEventListener("focusout", (event) => {
  if (event.target.matches(".frame[data-from]")) leave(event.target);
});
main.addEventListener("keydown", (event) => {
  const frame = event.target;
  if (!frame.matches?.(".frame[data-from]")) return;
  const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -100, End: 100 };
  if (event.key === "Escape") leave(frame);
  if (!(event.key in steps)) return;
  event.preventDefault();
  crosshair(frame, Math.min(100, Math.max(0, Number(frame.dataset.x ?? 100) + steps[event.key])));
});

/* ---------- copy buttons: shown only where they work ---------- */

function dress() {
  if (!navigator.clipboard) return;
  for (const button of main.querySelectorAll("[data-copy]")) button.hidden = false;
}

main.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const words = button.parentElement.querySelector("[data-text]").textContent;
  navigator.clipboard.writeText(words).then(() => {
    text(button, "Copied");
    setTimeout(() => text(button, "Copy"), 2000);
  });
});

document.documentElement.classList.add("scripted");
dress();
connect();

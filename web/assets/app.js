// Keeps a page live: morphs the parts that the server draws anew, tells the
// age of what is shown, and adds copy buttons. Every page reads and works
// without it.

const main = document.getElementById("main");
const indicator = document.getElementById("stream");
const lost = document.getElementById("lost");
const past = document.getElementById("past");
const say = document.getElementById("say");

const MINUTE = 60, HOUR = 3600, DAY = 86400;
const LOST_AFTER = 25_000; // the server speaks at least every 10 s
const SPEAK_EVERY = 30_000;
const RELOAD_AT_MOST_EVERY = 3_000;
const GIVE_UP_AFTER = 60_000;

/* ---------- ages: the same words as the server's ---------- */

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
    // What a visitor opened stays open, and a crosshair keeps its place.
    if (!fresh.hasAttribute(name) && name !== "open" && name !== "data-x") old.removeAttribute(name);
  }
  // What a visitor is typing in stays as it is.
  if (old === document.activeElement && "value" in old) return;
  children(old, fresh);
}

// Elements with an id are matched by it, so that a card that moves keeps its
// arc; the others by their place, past those that the script has added.
function children(old, fresh) {
  const known = new Map([...old.children].filter((c) => c.id).map((c) => [c.id, c]));
  let next = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    while (next && !next.id && stays(next)) next = next.nextSibling;
    const same = child.id && known.get(child.id);
    if (same) {
      if (same !== next) old.insertBefore(same, next);
      else next = next.nextSibling;
      morph(same, child);
    } else if (next && !next.id && !child.id && next.nodeName === child.nodeName) {
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
    if (!stays(leaving)) leaving.remove();
  }
}

function stays(node) {
  return node.dataset !== undefined && "keep" in node.dataset;
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
let ahead = 0; // by how much the server's clock is, which ages are told by

function setClock(now) {
  if (now) ahead = Number(now) - Date.now();
}

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
    const { at, now, parts = {}, reload } = JSON.parse(event.data);
    stamp = at;
    setClock(now);
    alive();
    for (const [id, html] of Object.entries(parts)) patch(id, html);
    morphed();
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
  lost.hidden = true; // whatever it said, this is news
  tell(lost, "logged out", `Logged out: load this page again to log in. The figures below are of ${stamp}.`);
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
  if (live || Date.now() - Math.max(heard, seen) < 4000) {
    lost.hidden = true;
  } else {
    const figures = `The figures below are of ${stamp}.`;
    tell(lost, "stream lost", `Stream lost: reconnecting, last update ${ago} ago. ${figures}`, `Stream lost. ${figures}`);
  }
}

const unspoken = new Set(); // alerts that nobody has heard since they appeared
let spokenKind; // of the alert that was spoken last

// Shows an alert. It is spoken once for each time that it appears: one that
// counts seconds would never let a screen reader speak of anything else. Nor
// would one that comes and goes: of one kind it waits until it is time.
function tell(alert, kind, words, aloud = words) {
  if (alert.hidden) unspoken.add(alert);
  if (unspoken.has(alert) && (kind !== spokenKind || Date.now() - spoken >= SPEAK_EVERY)) {
    unspoken.delete(alert);
    spokenKind = kind;
    spoken = Date.now();
    text(say, aloud);
  }
  text(alert, words);
  alert.hidden = false;
}

function text(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

/* ---------- the whole page anew: when rows came or went, or a chart is to move on ---------- */

let refreshed = Date.now();
let loaded = stamp; // of which time the page is that was loaded last
let waiting;
let loading = false;
let wanted = false; // once more, when what is loading is there

function refresh() {
  clearTimeout(waiting);
  const pause = refreshed + RELOAD_AT_MOST_EVERY - Date.now();
  if (pause > 0) {
    waiting = setTimeout(refresh, pause);
    return;
  }
  // Two at a time could end with the older one.
  wanted = loading;
  if (loading) return;
  loading = true;
  refreshed = Date.now();
  load()
    .catch(() => {}) // nothing answers: the stream's own state says so
    .finally(() => {
      loading = false;
      if (wanted) refresh();
    });
}

async function load() {
  const signal = AbortSignal.timeout(GIVE_UP_AFTER);
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal });
  if (answer.redirected) return location.reload(); // logged out elsewhere
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!answer.ok) return outdated(answer.status, page);
  // Another version of the program has another look and another script.
  if (files(page) !== files(document) && !typing()) return location.reload();
  past.hidden = true;
  loaded = page.querySelector("#stream time").textContent;
  setClock(page.body.dataset.now);
  morph(main, page.getElementById("main"));
  if (page.body.dataset.stream !== followed || over) {
    followed = page.body.dataset.stream;
    connect();
  }
  dress();
  morphed();
}

// The stream may well live on while charts and tables stand still.
function outdated(status, page) {
  const heading = page.getElementById("h-e");
  const why = heading ? `${heading.textContent}. ${heading.nextElementSibling.textContent}` : `The server answered ${status}.`;
  tell(past, "outdated", `${why} Charts and tables below are of ${loaded}.`);
}

// Those of the server alone: what an extension adds is in no page that it sends.
function files(page) {
  const files = page.querySelectorAll("script[src^='/assets/'], link[rel=stylesheet][href^='/assets/']");
  return [...files].map((file) => file.getAttribute("src") ?? file.getAttribute("href")).join();
}

function typing() {
  return [...main.querySelectorAll("input")].some((field) => field.value !== field.defaultValue);
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
    text(time, age((Date.now() + ahead - Date.parse(time.dateTime)) / 1000));
  }
}

// The server's words are as old as its drawing, and a crosshair stands on what
// it drew before.
function morphed() {
  tick();
  main.dispatchEvent(new Event("morphed"));
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

// What is said once is not said again when the page is loaded anew.
const here = new URL(location.href);
if (here.searchParams.has("saved")) {
  here.searchParams.delete("saved");
  history.replaceState(history.state, "", here);
}

setClock(document.body.dataset.now);
dress();
connect();

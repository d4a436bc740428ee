// Adds to charts what a server cannot draw: a crosshair that follows pointer,
// finger and arrow keys, and zoom by dragging. It reads the values back from
// the lines; every chart reads without it.

const SVG = "http://www.w3.org/2000/svg";
const main = document.getElementById("main");

/* ---------- units: the same words as the server's, which tests compare ---------- */

const SPEEDS = [["KB/s", 1e3], ["MB/s", 1e6], ["GB/s", 1e9]];

export function rate(value) {
  if (!Number.isFinite(value)) return "–";
  value = Math.max(value, 0);
  const [unit, size] = SPEEDS.find(([, size]) => Math.round(value / size * 100) < 100_000) ?? SPEEDS[2];
  const scaled = value / size;
  return `${scaled >= 9999.995 ? scaled.toFixed(0) : scaled.toFixed(2)} ${unit}`;
}

/* ---------- times: on the clock of the axis ---------- */

const told = clock(document.documentElement.dataset);

// Where a browser does not know the server's zone, its present offset must do.
export function clock({ zone, offset }) {
  const format = (timeZone) => new Intl.DateTimeFormat("en-GB", {
    weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone,
  });
  try {
    const times = format(zone);
    return (at) => times.format(at);
  } catch {
    const times = format("UTC");
    return (at) => times.format(at + offset * 1000);
  }
}

/* ---------- the crosshair ---------- */

const BOX = 192, AWAY = 12; // the box of values: its width, and how far from the line it stands

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
  // The box stands to the right where there is room, and never leaves the plot.
  const width = plot.getBoundingClientRect().width;
  const at = (a.x / 100) * width;
  const side = at + AWAY + BOX <= width ? AWAY : -AWAY - BOX;
  const edge = Math.max(side, -at), near = edge + 12, far = edge + BOX - 12;
  const cross = draw("svg", { class: "cross on", x: `${a.x}%`, width: 1, height: 1, overflow: "visible", "data-keep": "" }, plot);
  draw("line", { x1: 0, x2: 0, y1: 10, y2: 10 + height }, cross);
  draw("circle", { class: "up", r: 4, cy: 10 + (a.y / 1_000_000) * height }, cross);
  draw("circle", { class: "down", r: 4, cy: 10 + (b.y / 1_000_000) * height }, cross);
  draw("rect", { x: edge, y: 36, width: BOX, height: 86, rx: 6 }, cross);
  draw("text", { x: near, y: 56 }, cross, told(a.at));
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

// Goes so many points to the side: points lie where samples do, and not evenly.
function step(frame, steps) {
  const places = [...new Set(points(frame, "up").map((point) => point.x))];
  if (!places.length) return;
  const x = Number(frame.dataset.x ?? 100);
  const closer = (best, place, i) => (Math.abs(place - x) < Math.abs(places[best] - x) ? i : best);
  const here = places.reduce(closer, 0);
  crosshair(frame, places[Math.min(places.length - 1, Math.max(0, here + steps))]);
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
  // A finger leaves the screen where a pointer would stay.
  if (frame && event.pointerType !== "touch" && !frame.contains(event.relatedTarget)) leave(frame);
});
main.addEventListener("pointercancel", (event) => {
  // The finger scrolls.
  const frame = event.target.closest?.(".frame[data-from]");
  if (frame && frame !== document.activeElement) leave(frame);
});
main.addEventListener("pointerdown", (event) => {
  const frame = event.target.closest?.(".frame[data-from]");
  if (frame && event.pointerType === "touch") crosshair(frame, place(frame, event));
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
  const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
  if (event.key === "Escape") leave(frame);
  if (!(event.key in steps)) return;
  event.preventDefault();
  step(frame, steps[event.key]);
});
// Drawn anew below it, a chart has other values at the same place; and another
// width has other room for the box.
function again() {
  for (const cross of [...main.querySelectorAll(".cross")]) {
    const frame = cross.closest(".frame");
    crosshair(frame, Number(frame.dataset.x));
  }
}

main.addEventListener("morphed", again);
addEventListener("resize", again);

document.documentElement.classList.add("scripted");

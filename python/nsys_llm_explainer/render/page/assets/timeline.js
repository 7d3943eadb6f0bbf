// The timeline's behaviour: zoom, pan, hover, keyboard, the visible range as text and as a table.
const LEAST_NS = 200;

function startTimeline() {
  const canvas = document.getElementById("canvas");
  if (!canvas || !page.timeline) return;
  const whole = page.timeline.length;
  const state = { base: BigInt(page.timeline.base), from: 0, to: whole, shown: null, drag: null };
  const redraw = () => drawTimeline(canvas, state);
  const show = (from, to) => {
    const length = Math.min(whole, Math.max(LEAST_NS, to - from));
    const start = Math.min(Math.max(0, from + (to - from - length) / 2), whole - length);
    state.from = start;
    state.to = start + length;
    redraw();
    describe(state);
  };
  const zoom = (factor, at) => show(at - (at - state.from) * factor, at + (state.to - at) * factor);
  const moves = {
    in: () => zoom(0.5, (state.from + state.to) / 2),
    out: () => zoom(2, (state.from + state.to) / 2),
    left: () => pan(state, show, -0.3),
    right: () => pan(state, show, 0.3),
    next: () => toStep(state, show, 1),
    previous: () => toStep(state, show, -1),
    all: () => {
      state.shown = null;
      show(0, whole);
    },
  };
  for (const button of document.querySelectorAll("[data-move]")) {
    button.addEventListener("click", () => moves[button.dataset.move]());
  }
  const keys = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", n: "next", p: "previous", Home: "all" };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    moves[keys[event.key]]();
  });
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      const [from, to] = button.dataset.zoom.split(":").map((text) => Number(BigInt(text) - state.base));
      state.shown = [from, to];
      const space = Math.max(to - from, 1000) * 0.5;
      show(from - space, to + space);
      document.getElementById("timeline").scrollIntoView({ block: "start" });
      canvas.focus({ preventScroll: true });
    });
  }
  startPointer(canvas, state, redraw, show, zoom);
  startRange(state, show);
  startLegend();
  themeListeners.push(redraw);
  new ResizeObserver(redraw).observe(canvas.parentElement);
  show(0, whole);
}

function pan(state, show, part) {
  const by = (state.to - state.from) * part;
  show(state.from + by, state.to + by);
}

function toStep(state, show, direction) {
  const steps = page.timeline.devices.map((device) => device.steps).find((one) => one.start.length > 0);
  if (!steps) return;
  const middle = (state.from + state.to) / 2;
  const whole = state.to - state.from >= page.timeline.length;
  const centre = (place) => (steps.start[place] + steps.end[place]) / 2;
  const places = steps.start.map((_, place) => place).filter((place) =>
    whole || (direction > 0 ? centre(place) > middle + 1 : centre(place) < middle - 1),
  );
  if (places.length === 0) return;
  const chosen = direction > 0 ? places[0] : places[places.length - 1];
  const space = (steps.end[chosen] - steps.start[chosen]) * 0.1;
  state.shown = [steps.start[chosen], steps.end[chosen]];
  show(steps.start[chosen] - space, steps.end[chosen] + space);
}

function startPointer(canvas, state, redraw, show, zoom) {
  const tip = document.getElementById("tip");
  const at = (event) => state.from + (event.offsetX / canvas.clientWidth) * (state.to - state.from);
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch") return;
    canvas.setPointerCapture(event.pointerId);
    state.drag = [at(event), at(event)];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (state.drag) {
      state.drag[1] = at(event);
      redraw();
    }
    showTip(tip, canvas, state, event, at(event));
  });
  canvas.addEventListener("pointerup", () => {
    const drag = state.drag;
    state.drag = null;
    if (!drag) return;
    const pixels = (Math.abs(drag[1] - drag[0]) / (state.to - state.from)) * canvas.clientWidth;
    if (pixels > 4) show(Math.min(...drag), Math.max(...drag));
    else redraw();
  });
  canvas.addEventListener("pointercancel", () => {
    state.drag = null;
    redraw();
  });
  canvas.addEventListener("pointerleave", () => (tip.hidden = true));
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, at(event));
  }, { passive: false });
}

function showTip(tip, canvas, state, event, ns) {
  const place = Math.floor((event.offsetY - AXIS) / laneHeight());
  const device = page.timeline.devices[place];
  tip.replaceChildren();
  tip.hidden = !device || event.offsetY < AXIS;
  if (tip.hidden) return;
  for (const line of tipLines(device, state, ns, canvas.clientWidth)) tip.append(element("div", line));
  const left = Math.min(event.offsetX + 14, canvas.clientWidth - tip.offsetWidth - 4);
  tip.style.left = Math.max(0, left) + "px";
  tip.style.top = event.offsetY + 16 + "px";
}

function tipLines(device, state, ns, width) {
  const lines = [device.label + " at " + secondsText(absolute(state.base, ns), 9) + " s"];
  const steps = device.steps;
  for (let place = 0; place < steps.start.length; place += 1) {
    if (steps.start[place] <= ns && ns < steps.end[place]) {
      const length = durationText(steps.end[place] - steps.start[place]);
      lines.push(steps.kind[place] + " step " + steps.index[place] + ", process " + steps.pid[place] + ", " + length);
    }
  }
  if (device.levels.length > 0) {
    const level = levelFor(device, state.to - state.from, width);
    const [first, last] = binRange(level, ns, ns + 1);
    const parts = sharesOf(level, first, last).sort((a, b) => b.share - a.share);
    for (const { name, share } of parts) lines.push(page.timeline.words[name] + " " + percentText(share));
  }
  const near = ((state.to - state.from) / width) * 3;
  const marks = [...device.gaps, ...device.storms].filter((mark) => mark.start - near <= ns && ns <= mark.end + near);
  for (const mark of marks.slice(0, 2)) lines.push(mark.text);
  return lines;
}

function rangeText(state) {
  return secondsText(absolute(state.base, state.from), 9) + ":" + secondsText(absolute(state.base, state.to), 9);
}

function startRange(state, show) {
  const field = document.getElementById("range");
  field.addEventListener("change", () => {
    const ends = field.value.split(":").map(parseSeconds);
    if (ends.length === 2 && ends[0] !== null && ends[1] !== null && ends[0] < ends[1]) {
      show(Number(ends[0] - state.base), Number(ends[1] - state.base));
    } else {
      toast("write START:END in seconds, for example " + rangeText(state));
      field.value = rangeText(state);
    }
  });
  document.getElementById("copy-range").addEventListener("click", () => copyText(rangeText(state), "Time range"));
}

let statusTimer = 0;
function describe(state) {
  document.getElementById("range").value = rangeText(state);
  clearTimeout(statusTimer);
  statusTimer = setTimeout(() => describeShares(state), 150);
}

function describeShares(state) {
  const table = document.getElementById("visible-table");
  const texts = [];
  const head = element("tr");
  for (const text of ["device", "bucket", "share", "time"]) head.append(element("th", text));
  table.replaceChildren(head);
  for (const device of page.timeline.devices) {
    if (device.levels.length === 0) continue;
    const level = levelFor(device, state.to - state.from, 800);
    const [first, last] = binRange(level, state.from, state.to);
    const parts = sharesOf(level, first, last).sort((a, b) => b.share - a.share);
    for (const { name, share } of parts) {
      const row = element("tr");
      const length = share * (last - first) * level.bin;
      const cells = [device.label, page.timeline.words[name], percentText(share), durationText(length)];
      for (const text of cells) row.append(element("td", text));
      table.append(row);
    }
    if (parts.length > 0) texts.push(device.label + ": " + page.timeline.words[parts[0].name] + " " + percentText(parts[0].share));
  }
  const length = durationText(state.to - state.from);
  document.getElementById("timeline-status").textContent = length + " visible. " + texts.slice(0, 8).join("; ");
}

function startLegend() {
  const legend = document.getElementById("legend");
  const used = new Set(page.timeline.devices.flatMap((device) => device.levels.flatMap((level) => Object.keys(level.buckets))));
  const kinds = new Set(page.timeline.devices.flatMap((device) => device.steps.kind));
  const marks = [];
  if (page.timeline.devices.some((device) => device.gaps.length > 0)) marks.push(["alarm", "longest gaps"]);
  if (page.timeline.devices.some((device) => device.storms.length > 0)) marks.push(["idle.launching", "runs of small kernels"]);
  const items = [
    ...Object.entries(page.timeline.words).filter(([name]) => used.has(name)),
    ...[...kinds].map((kind) => [kind, kind + " step"]),
    ...marks,
  ];
  legend.replaceChildren(
    ...items.map(([name, words]) => {
      const item = element("li", words);
      const mark = element("i", undefined, "c-" + name.replace(".", "-"));
      item.prepend(mark);
      return item;
    }),
  );
}

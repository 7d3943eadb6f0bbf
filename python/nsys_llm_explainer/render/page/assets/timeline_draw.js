// Drawing the timeline on a canvas: per device its steps, its bins, and marks for gaps and runs of small kernels.
const LANE = { label: 18, steps: 18, bins: 64, marks: 12, space: 14 };
const AXIS = 26;
const MOST_MARKS = 12;

function laneHeight() {
  return LANE.label + LANE.steps + LANE.bins + LANE.marks + LANE.space;
}

function drawTimeline(canvas, state) {
  const devices = page.timeline.devices;
  const width = canvas.parentElement.clientWidth;
  const height = AXIS + devices.length * laneHeight();
  const scale = devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.height = height + "px";
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  const view = { context, width, state, palette: colours(), x: (ns) => ((ns - state.from) / (state.to - state.from)) * width };
  drawAxis(view, height);
  devices.forEach((device, place) => drawDevice(view, device, AXIS + place * laneHeight()));
  drawSelection(view, height);
}

function drawAxis(view, height) {
  const { context, width, state, palette, x } = view;
  const base = state.base;
  const step = tickStep(state.to - state.from, Math.max(3, width / 130));
  const digits = Math.max(0, 9 - Math.floor(Math.log10(step) + 1e-9));
  // Ticks stand at round moments of the trace's own clock, not of the distance from its start.
  const offset = Number(base % BigInt(step));
  context.strokeStyle = palette.line;
  context.fillStyle = palette.quiet;
  context.lineWidth = 1;
  for (let at = Math.ceil((state.from + offset) / step) * step - offset; at <= state.to; at += step) {
    const place = Math.round(x(at)) + 0.5;
    context.beginPath();
    context.moveTo(place, AXIS - 6);
    context.lineTo(place, height);
    context.stroke();
    const text = secondsText(absolute(base, at), digits) + " s";
    if (place + 4 + context.measureText(text).width < width) context.fillText(text, place + 4, AXIS - 14);
  }
}

function drawDevice(view, device, top) {
  const { context, palette } = view;
  context.fillStyle = palette.text;
  context.fillText(device.label, 2, top + LANE.label / 2);
  drawSteps(view, device.steps, top + LANE.label);
  drawBins(view, device, top + LANE.label + LANE.steps + 2);
  const marks = top + LANE.label + LANE.steps + LANE.bins + 4;
  drawMarks(view, device.gaps, marks, palette.alarm);
  drawMarks(view, device.storms, marks, palette["idle.launching"]);
}

function drawSteps(view, steps, top) {
  const { context, width, state, palette, x } = view;
  for (let place = 0; place < steps.start.length; place += 1) {
    if (steps.end[place] < state.from || steps.start[place] > state.to) continue;
    const left = Math.max(-2, x(steps.start[place]));
    const right = Math.min(width + 2, x(steps.end[place]));
    const room = right - left;
    context.fillStyle = palette[steps.kind[place]] || palette.unknown;
    context.fillRect(left, top, Math.max(1, room - 1), LANE.steps - 3);
    if (room < 34) continue;
    const texts = [steps.kind[place] + " " + steps.index[place], String(steps.index[place])];
    const text = texts.find((one) => context.measureText(one).width < room - 8);
    if (!text) continue;
    context.fillStyle = palette.page;
    context.fillText(text, left + 4, top + (LANE.steps - 3) / 2);
  }
}

function drawBins(view, device, top) {
  const { context, width, state, palette, x } = view;
  context.strokeStyle = palette.line;
  context.strokeRect(0.5, top - 0.5, width - 1, LANE.bins + 1);
  if (device.levels.length === 0) {
    context.fillStyle = palette.quiet;
    context.fillText("no bins for this device", 8, top + LANE.bins / 2);
    return;
  }
  const level = levelFor(device, state.to - state.from, width);
  const [first, last] = binRange(level, state.from, state.to);
  const group = Math.max(1, Math.floor((last - first) / width));
  for (let bin = first; bin < last; bin += group) {
    const end = Math.min(last, bin + group);
    const left = Math.floor(x(level.start + bin * level.bin));
    const right = Math.max(left + 1, Math.floor(x(level.start + end * level.bin)));
    let bottom = top + LANE.bins;
    for (const { name, share } of sharesOf(level, bin, end)) {
      const height = share * LANE.bins;
      context.fillStyle = palette[name];
      context.fillRect(left, bottom - height, right - left, height);
      bottom -= height;
    }
  }
}

function drawMarks(view, marks, top, colour) {
  const { context, state, x } = view;
  context.fillStyle = colour;
  // Marks come longest first: as many as can be told apart.
  const visible = marks.filter((mark) => mark.end >= state.from && mark.start <= state.to);
  for (const mark of visible.slice(0, MOST_MARKS)) {
    const left = x(mark.start);
    const right = x(mark.end);
    const middle = (Math.max(0, left) + Math.min(view.width, right)) / 2;
    context.fillRect(left, top, Math.max(1, right - left), 3);
    context.beginPath();
    context.moveTo(middle, top);
    context.lineTo(middle - 4, top + 8);
    context.lineTo(middle + 4, top + 8);
    context.fill();
  }
}

function drawSelection(view, height) {
  const { context, state, palette, x } = view;
  for (const [range, colour] of [[state.shown, palette.alarm], [state.drag, palette.text]]) {
    if (!range) continue;
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.setLineDash([6, 3]);
    context.strokeRect(x(Math.min(...range)), AXIS - 4, Math.max(2, x(Math.max(...range)) - x(Math.min(...range))), height - AXIS);
    context.setLineDash([]);
  }
}

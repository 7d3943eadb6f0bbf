// Moments on the trace's clock. Its nanoseconds do not fit a float, so they are whole numbers relative to a base.
const NS_PER_S = 1000000000n;

function absolute(base, ns) {
  return base + BigInt(Math.round(ns));
}

function secondsText(ns, digits) {
  const sign = ns < 0n ? "-" : "";
  const size = ns < 0n ? -ns : ns;
  const fraction = String(size % NS_PER_S).padStart(9, "0");
  return sign + String(size / NS_PER_S) + (digits > 0 ? "." + fraction.slice(0, digits) : "");
}

function parseSeconds(text) {
  const found = /^\s*(-?)(\d+)(?:\.(\d{0,9})\d*)?\s*s?\s*$/.exec(text);
  if (!found) return null;
  const ns = BigInt(found[2]) * NS_PER_S + BigInt((found[3] || "").padEnd(9, "0"));
  return found[1] ? -ns : ns;
}

function durationText(ns) {
  let value = ns;
  for (const unit of ["ns", "us", "ms"]) {
    if (Math.abs(value) < 999.5) return shortNumber(value) + " " + unit;
    value /= 1000;
  }
  return shortNumber(value) + " s";
}

function shortNumber(value) {
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 99.95) return value.toFixed(0);
  return value.toFixed(size >= 9.995 ? 1 : 2);
}

function percentText(share) {
  const value = share * 100;
  if (value > 0 && value < 0.1) return "<0.1 %";
  return value.toFixed(1) + " %";
}

// The distance of ticks that leaves room for their labels: 1, 2 or 5 times a power of ten.
function tickStep(length, most) {
  const rough = length / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= rough);
}

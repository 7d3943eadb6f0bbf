// Bins: unpacked when first needed, summed exactly over any stretch of whole bins.
function unpack(text) {
  const bytes = atob(text);
  const values = new Uint16Array(bytes.length / 2);
  for (let place = 0; place < values.length; place += 1) {
    values[place] = bytes.charCodeAt(2 * place) | (bytes.charCodeAt(2 * place + 1) << 8);
  }
  return values;
}

function levelBuckets(level) {
  if (!level.unpacked) {
    level.unpacked = Object.entries(level.buckets).map(([name, text]) => ({ name, values: unpack(text) }));
  }
  return level.unpacked;
}

// The coarsest level that still fills the width with bins, or the finest there is.
function levelFor(device, length, width) {
  const levels = [...device.levels].sort((a, b) => b.bin - a.bin);
  return levels.find((level) => length / level.bin >= width / 2) || levels[levels.length - 1];
}

function binRange(level, from, to) {
  const first = Math.max(0, Math.floor((from - level.start) / level.bin));
  const last = Math.min(level.bins, Math.ceil((to - level.start) / level.bin));
  return [first, Math.max(first, last)];
}

// The shares of the buckets in a stretch of bins, largest last in the order of the palette.
function sharesOf(level, first, last) {
  const count = Math.max(1, last - first);
  return levelBuckets(level)
    .map(({ name, values }) => {
      let sum = 0;
      for (let place = first; place < last; place += 1) sum += values[place];
      return { name, share: sum / page.timeline.full / count };
    })
    .filter((part) => part.share > 0);
}

// Charts: drawn by the chart library when they come into sight, again when the theme changes.
const drawnCharts = new Set();

function themed(value, palette) {
  if (Array.isArray(value)) return value.map((item) => themed(item, palette));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, themed(item, palette)]));
  }
  if (typeof value === "string" && value[0] === "@") return palette[value.slice(1)] || value;
  return value;
}

function chartLayout(layout, palette) {
  const axis = { gridcolor: palette.line, linecolor: palette.line, zerolinecolor: palette.line, automargin: true };
  const whole = themed(layout, palette);
  return {
    ...whole,
    xaxis: { ...axis, ...whole.xaxis },
    yaxis: { ...axis, ...whole.yaxis },
    font: { color: palette.text, family: "system-ui, sans-serif", size: 13 },
    hoverlabel: { bgcolor: palette.page, bordercolor: palette.quiet, font: { color: palette.text } },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 10, r: 14, t: 12, b: 10 },
    dragmode: false,
    showlegend: false,
  };
}

// The library is large: the browser reads it when the first chart comes into sight. The policy knows its hash.
function loadLibrary() {
  if (window.Plotly) return;
  const script = element("script");
  script.textContent = document.getElementById("library").textContent;
  document.head.append(script);
}

function drawChart(place) {
  loadLibrary();
  const chart = page.charts[place.dataset.chart];
  const palette = colours();
  drawnCharts.add(place);
  Plotly.react(place, themed(chart.data, palette), chartLayout(chart.layout, palette), {
    displayModeBar: false,
    responsive: true,
    showTips: false,
  });
}

function startCharts() {
  const places = [...document.querySelectorAll("[data-chart]")];
  // The room of a chart is taken before it is drawn, so that nothing moves under the reader.
  for (const place of places) place.style.minHeight = page.charts[place.dataset.chart].layout.height + "px";
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        seen.unobserve(entry.target);
        drawChart(entry.target);
      }
    },
    { rootMargin: "400px" },
  );
  for (const place of places) seen.observe(place);
  themeListeners.push(() => drawnCharts.forEach(drawChart));
  addEventListener("beforeprint", () => places.forEach(drawChart));
}

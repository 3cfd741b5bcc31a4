// The page of a training: figures, scores, and the decision boundary over two features.

const SOFT_LEVELS = 8;
// Brewer's sequential scheme from purple to blue, lightest first: matplotlib's PuBu.
const PU_BU = ["#fff7fb", "#ece7f2", "#d0d1e6", "#a6bddb", "#74a9cf", "#3690c0", "#0570b0", "#045a8d", "#023858"];
const HARD = "palevioletred";
const LINE = "darkred";

const section = (id) => document.getElementById(id);
const content = (id) => section(id).querySelector(".content");

function scores() {
  const { edges, sets, threshold } = page.scores;
  const isLog = section("log-counts").checked;
  const traces = sets.map(({ name, counts }, at) => ({
    type: "bar", name, showlegend: true, y: counts,
    x: counts.map((_, it) => (edges[it] + edges[it + 1]) / 2), width: counts.map((_, it) => edges[it + 1] - edges[it]),
    customdata: counts.map((_, it) => [edges[it], edges[it + 1]]),
    marker: { color: colour(at), opacity: 0.65, line: { width: 1, color: variable("--panel") } },
    hovertemplate: `score from %{customdata[0]:.6f} to %{customdata[1]:.6f}<br>count %{y:,}<extra>${name}</extra>`,
  }));
  return { traces, layout: {
    barmode: "overlay", bargap: 0, xaxis: axis("score"), uirevision: `${isLog}`,
    yaxis: axis("rows", { type: isLog ? "log" : "linear", dtick: isLog ? 1 : undefined, exponentformat: "none" }),
    shapes: [{
      type: "line", x0: threshold, x1: threshold, y0: 0, y1: 1, yref: "paper",
      line: { color: variable("--outlier"), width: 2, dash: "dash" },
    }],
    annotations: [{
      x: threshold, y: 1, yref: "paper", yanchor: "bottom", xanchor: "center", showarrow: false,
      text: `threshold ${six(threshold)}`, font: { color: variable("--outlier") },
    }],
    legend: { orientation: "h", y: -0.2, yanchor: "top", x: 0 }, margin: { l: 60, r: 20, t: 64, b: 50 },
  } };
}

/** A colour of the scheme at a place from 0 to 1, half transparent. */
function soft(place) {
  const at = place * (PU_BU.length - 1);
  const [below, above] = [Math.floor(at), Math.min(Math.floor(at) + 1, PU_BU.length - 1)];
  const channel = (hex, from) => parseInt(hex.slice(from, from + 2), 16);
  const mixed = [1, 3, 5].map((from) =>
    Math.round(channel(PU_BU[below], from) * (1 - at + below) + channel(PU_BU[above], from) * (at - below)));
  return `rgba(${mixed.join(",")},0.5)`;
}

/** The bands between the levels and the hard region above 0, as one scale of colours. */
function regions(low) {
  if (!(low < 0)) return { contours: { start: 0, end: 0, size: 1 }, colorscale: [[0, HARD], [1, HARD]] };
  const bands = SOFT_LEVELS - 1;
  const step = -low / bands;
  const colorscale = Array.from({ length: bands }, (_, it) => [it / bands, soft((it + 0.5) / bands)]);
  return { contours: { start: low + step, end: 0, size: step }, colorscale: [...colorscale, [1, HARD]] };
}

function boundaryOf(panel, boundary) {
  const { features: [across, up], grid } = boundary;
  const places = ([low, high]) => Array.from({ length: grid.n }, (_, it) => low + (high - low) * (it / (grid.n - 1)));
  const z = Array.from({ length: grid.n }, (_, row) => panel.decisions.subarray(row * grid.n, (row + 1) * grid.n));
  const low = panel.decisions.reduce((least, it) => Math.min(least, it), Infinity);
  const common = { type: "contour", x: places(grid.across), y: places(grid.up), z, autocontour: false };
  const { contours, colorscale } = regions(low);
  const traces = [
    { ...common, contours: { ...contours, coloring: "fill", showlines: false }, colorscale, line: { width: 0, smoothing: 0 },
      name: "decision", showlegend: false,
      colorbar: { title: { text: "decision", side: "right" }, thickness: 14, outlinewidth: 0, tickformat: ".3f" },
      hovertemplate: `${across} %{x:.6~g}<br>${up} %{y:.6~g}<br>decision %{z:.6f}<extra></extra>` },
    { ...common, contours: { start: 0, end: 0, size: 1, coloring: "none" }, line: { color: LINE, width: 2, smoothing: 0 },
      name: "decision 0", showscale: false, hoverinfo: "skip", showlegend: true },
  ];
  const chosen = section("points").value;
  boundary.points.forEach((points, at) => {
    if (points.name !== chosen) return;
    const decisions = panel.points[at];
    const part = (kind, keep, colour) => {
      const rows = Array.from(decisions.keys()).filter((row) => keep(decisions[row]));
      traces.push({
        type: pointsType, mode: "markers", name: `${points.name} ${kind} (${thousands(rows.length)})`, showlegend: true,
        x: rows.map((row) => points.across[row]), y: rows.map((row) => points.up[row]),
        customdata: rows.map((row) => [row, decisions[row]]),
        marker: { size: 5, color: colour, line: { width: 0.5, color: "#ffffff" } },
        hovertemplate: `${across} %{x:.10~g}<br>${up} %{y:.10~g}<br>decision %{customdata[1]:.6f}` +
          `<br>row %{customdata[0]}<extra>${kind}</extra>`,
      });
    };
    part("inliers", (it) => !(it < 0), "#1f6fb4");
    part("outliers", (it) => it < 0, "#c8202f");
  });
  const ground = { gridcolor: "#dfe3e8", zerolinecolor: "#c4cad2" };
  return { traces, layout: {
    title: { text: panel.title }, plot_bgcolor: "#ffffff",
    xaxis: axis(across, { ...ground, range: grid.across }), yaxis: axis(up, { ...ground, range: grid.up }),
    legend: { orientation: "h", y: -0.12, yanchor: "top", x: 0 }, margin: { l: 60, r: 20, t: 60, b: 90 },
  } };
}

function startBoundary() {
  const { boundary } = page;
  if (!boundary) { section("boundary").hidden = true; return; }
  for (const points of boundary.points) {
    points.across = decodeFloats(points.across);
    points.up = decodeFloats(points.up);
  }
  for (const panel of boundary.panels) {
    panel.decisions = decodeFloats(panel.grid);
    panel.points = panel.points.map(decodeFloats);
  }
  const names = boundary.points.map((it) => it.name);
  const kept = choices.get("points");
  section("points").append(...[...names, "none"].map((it) =>
    element("option", { value: it, selected: it === kept }, it === "none" ? "none" : `${it} rows`)));
  const place = section("boundary").querySelector(".charts");
  const made = boundary.panels.map((panel) => {
    const target = element("div", { class: "chart square" });
    place.append(target);
    return chart(target, `${panel.title} boundary`, () => boundaryOf(panel, boundary));
  });
  section("points").addEventListener("change", () => { choose("points", section("points").value); redraw(made); });
  const rows = boundary.panels.flatMap((panel) => boundary.points.map((points, at) => {
    const nOutliers = panel.points[at].reduce((count, it) => count + (it < 0 ? 1 : 0), 0);
    const nRows = panel.points[at].length;
    return [panel.title, points.name, thousands(nRows), thousands(nRows - nOutliers), thousands(nOutliers), percent(nOutliers / nRows)];
  }));
  content("boundary").append(element("h3", {}, "Rows on either side"),
    table(["detector", "set", "rows", "inliers", "outliers", "share of outliers"], rows, 2));
}

function start() {
  section("figures").querySelector(".figures").append(...page.figures.map(([name, value]) =>
    element("div", { class: "figure" }, element("b", {}, value), element("span", {}, name))));
  const pairs = (header, rows) => table(header, rows.map(([name, value]) => [name, element("td", { class: "text long" }, value)]));
  content("parameters").append(pairs(["parameter", "value"], page.parameters));
  content("data").append(pairs(["data", ""], page.data));
  const made = chart(section("scores").querySelector(".chart"), `${page.title} scores`, scores);
  section("log-counts").addEventListener("change", () => redraw([made]));
  startBoundary();
}

start();
document.documentElement.dataset.charts = charts.length;
document.documentElement.dataset.ready = "true";

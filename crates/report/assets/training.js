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
  const traces = sets.map(({ name, counts, rows }, at) => ({
    type: "bar", name, showlegend: true, y: counts.map((it) => it / Math.max(1, rows)),
    x: counts.map((_, it) => (edges[it] + edges[it + 1]) / 2), width: counts.map((_, it) => edges[it + 1] - edges[it]),
    customdata: counts.map((count, it) => [edges[it], edges[it + 1], count]),
    marker: { color: colour(at), opacity: 0.65, line: { width: 1, color: variable("--panel") } },
    hovertemplate: `score from %{customdata[0]:.6f} to %{customdata[1]:.6f}<br>count %{customdata[2]:,}<br>share %{y:.4%}<extra>${name}</extra>`,
  }));
  return { traces, layout: {
    barmode: "overlay", bargap: 0, xaxis: axis("score"), uirevision: `${isLog}`,
    yaxis: axis("share of the rows", { type: isLog ? "log" : "linear", dtick: isLog ? 1 : undefined, tickformat: ".4~%", exponentformat: "none" }),
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

/** Shows tables and lines that say something of the scores, and lets a line be dragged over their chart. */
function startLines(made) {
  const { sets, threshold } = page.scores;
  for (const set of sets) {
    set.sorted = decodeFloats(set.sorted);
    set.ranks = decodeCodes(set.ranks);
  }
  const beyond = sets.filter((it) => it.beyond).map((it) =>
    `${thousands(it.beyond)} ${it.name} rows are beyond the axis, up to ${six(it.greatest)}`);
  section("beyond").textContent = beyond.length ? `${beyond.join("; ")}.` : "";
  const [training, ...others] = sets;
  const shares = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1].filter((it) => 1 <= it * training.rows);
  const rows = shares.map((share) => lineOf(training, share));
  rows.push(threshold);
  const unique = [...new Set(rows)].sort((a, b) => b - a);
  section("lines").replaceChildren(table(["line", ...setHeader(training, true), ...others.flatMap((it) => setHeader(it, false))],
    unique.map((line) => [
      element("td", { class: "text" }, element("button", { type: "button", click: () => moveTo(line) }, six(line)), line === threshold ? " threshold" : ""),
      ...setCells(training, line, true), ...others.flatMap((it) => setCells(it, line, false)),
    ])));

  const place = section("scores").querySelector(".chart");
  const handle = element("div", { class: "drag-line", role: "slider", tabindex: "0", "aria-label": "Line", title: "Drag this line" });
  let line = Number(choices.get("line") ?? threshold);
  if (!Number.isFinite(line)) line = threshold;

  /** Where plotly draws: its own axis knows how far the chart is zoomed. */
  const drawn = () => place._fullLayout?.xaxis;
  function position() {
    const axis = drawn();
    if (!axis) return;
    const at = axis.l2p(line);
    const { t, h } = place._fullLayout._size;
    handle.style.display = at < -1 || axis._length + 1 < at ? "none" : "";
    handle.style.left = `${axis._offset + at}px`;
    handle.style.top = `${t}px`;
    handle.style.height = `${h}px`;
  }
  function show() {
    position();
    handle.setAttribute("aria-valuenow", line);
    if (document.activeElement !== section("line")) section("line").value = line;
    section("at-line").replaceChildren(table(["set", "rows", "above the line", "share", "95 % interval"], sets.map((set) => {
      const above = nAbove(set, line);
      const [low, high] = wilson(above, set.rows);
      return [set.name, thousands(set.rows), counted(set, line), percent(above / Math.max(1, set.rows)), `${percent(low)} to ${percent(high)}`];
    })));
    document.documentElement.dataset.line = line;
  }
  function moveTo(value) {
    if (!Number.isFinite(value)) return;
    line = value;
    choose("line", line);
    show();
  }
  place.style.position = "relative";
  place.append(handle);
  let dragged = false;
  handle.addEventListener("pointerdown", (event) => {
    dragged = true;
    // A made-up pointer, such as a test's, cannot be captured, and need not be.
    try { handle.setPointerCapture(event.pointerId); } catch { /* It is followed while it is over the line. */ }
    event.preventDefault();
    handle.focus();
  });
  handle.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    const axis = drawn();
    const at = event.clientX - place.getBoundingClientRect().left - axis._offset;
    moveTo(axis.p2l(Math.max(0, Math.min(axis._length, at))));
  });
  for (const end of ["pointerup", "pointercancel"]) handle.addEventListener(end, () => { dragged = false; });
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -20, PageUp: 20 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const axis = drawn();
    moveTo(axis.p2l(axis.l2p(line) + step));
  });
  section("line").addEventListener("input", () => moveTo(section("line").valueAsNumber));
  section("line-back").addEventListener("click", () => moveTo(threshold));
  made.target.on("plotly_afterplot", position);
  show();
}

/** Whether it is only about known how many scores of a set are above a line: among the lower ones some are left out. */
const isAbout = (set, line) => line !== page.scores.threshold && set.exact_from !== undefined && line < set.exact_from;
const counted = (set, line) => (isAbout(set, line) ? "about " : "") + thousands(nAbove(set, line));

/** How many scores of a set are above a line. */
function nAbove(set, line) {
  if (line === page.scores.threshold) return set.above;
  let [low, high] = [0, set.sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (set.sorted[middle] <= line) low = middle + 1; else high = middle;
  }
  return set.sorted.length ? set.ranks.at(-1) - (low ? set.ranks[low - 1] : 0) : 0;
}

/** The lowest score of a set above which at most a share of its rows lies. */
function lineOf(set, share) {
  const most = Math.floor(share * set.rows);
  const at = set.ranks.findIndex((rank) => set.ranks.at(-1) - rank <= most);
  return set.sorted[at];
}

/** The interval of a share by its count, as Wilson has it (1927). */
function wilson(hits, n) {
  const z = 1.959963984540054;
  if (!n) return [0, 1];
  const [share, spread] = [hits / n, (z * z) / n];
  const middle = (share + spread / 2) / (1 + spread);
  const half = (z / (1 + spread)) * Math.sqrt((share * (1 - share)) / n + spread / (4 * n));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

const setHeader = (set, isTraining) => [`${set.name} rows above`, "share", ...(isTraining ? ["of fresh rows, 95 %"] : [])];
function setCells(set, line, isTraining) {
  const above = nAbove(set, line);
  const cells = [counted(set, line), percent(above / Math.max(1, set.rows))];
  if (!isTraining) return cells;
  const [low, high] = wilson(above + 1, set.rows + 1);
  return [...cells, `${percent(low)} to ${percent(high)}`];
}

function startWorst() {
  const parts = page.worst.filter((it) => it.rows.length).flatMap(({ set, rows }) => [
    element("h3", {}, `${set} rows`),
    table(["row", "score", "p-value", "above", "what adds most"], rows.map((it) => [
      it.row_idx, figureCell(it.score), it.p_value.toPrecision(3), it.is_above ? "yes" : "no",
      element("td", { class: "text long" }, it.reasons.map(({ field, value, contribution }) =>
        `${field} = ${value === "" ? "missing" : value} (+${Number(contribution.toPrecision(3))})`).join(", ") || "–"),
    ])),
  ]);
  section("worst").hidden = parts.length === 0;
  content("worst").append(...parts);
}

function start() {
  section("warnings").hidden = page.warnings.length === 0;
  content("warnings").append(element("ul", {}, ...page.warnings.map((it) => element("li", {}, it))));
  section("figures").querySelector(".figures").append(...page.figures.map(([name, value]) =>
    element("div", { class: "figure" }, element("b", {}, value), element("span", {}, name))));
  const pairs = (header, rows) => table(header, rows.map(([name, value]) => [name, element("td", { class: "text long" }, value)]));
  content("parameters").append(pairs(["parameter", "value"], page.parameters));
  content("data").append(pairs(["data", ""], page.data));
  const made = chart(section("scores").querySelector(".chart"), `${page.title} scores`, scores);
  section("log-counts").addEventListener("change", () => redraw([made]));
  startLines(made);
  startWorst();
  section("checks").hidden = page.checks.length === 0;
  content("checks").append(pairs(["check", "result"], page.checks));
  startBoundary();
}

start();
document.documentElement.dataset.charts = charts.length;
document.documentElement.dataset.ready = "true";

// The exploration page: tables, and charts of their columns.

const MOST_CHARTS = 24;
const MOST_BOXES = 4;
const MOST_ROWS = 1000;

const tables = page.tables.map((data, at) => ({
  ...data, at, shown: true,
  columns: data.columns.map((column, idx) => ({ ...data.profile.columns[idx], ...decodeColumn(column) })),
}));
const shownTables = () => tables.filter((it) => it.shown);
const columnOf = (data, name) => data.columns.find((it) => it.name === name);
/** The names of columns of either kind, each once, in the order of the tables. */
const namesOf = (kind) =>
  [...new Set(tables.flatMap((data) => data.columns.filter((it) => it[kind]).map((it) => it.name)))];
const numberNames = namesOf("describe");
const textNames = namesOf("categories");

function decodeColumn({ integers, floats, texts }) {
  if (texts) {
    const codes = decodeCodes(texts.codes);
    return { cell: (row) => texts.values[codes[row]] };
  }
  const values = decodeFloats(integers ?? floats);
  return { values, isWhole: integers !== undefined, cell: (row) => values[row] };
}

/** Counts as the profile does, edge by edge. */
function histogram(values, low, high, nBins) {
  if (!(low < high)) { low -= 0.5; high += 0.5; }
  const width = (high - low) / nBins;
  const edges = Array.from({ length: nBins }, (_, it) => low + it * width).concat(high);
  const counts = new Array(nBins).fill(0);
  for (const value of values) {
    if (!(low <= value && value <= high)) continue;
    let bin = Math.min(Math.floor(((value - low) / (high - low)) * nBins), nBins - 1);
    if (value < edges[bin]) bin -= 1;
    else if (edges[bin + 1] <= value && bin + 1 < nBins) bin += 1;
    counts[bin] += 1;
  }
  return { edges, counts };
}

const section = (id) => document.getElementById(id);
const content = (id) => section(id).querySelector(".content");
/** Six significant decimals are too few for a small box, and all digits too many to read. */
const hoverNumber = (name, format = ".10~g") => `%{${name}:${format}}`;

function showTables() {
  const rows = tables.map((data) => {
    const tick = element("input", {
      type: "checkbox", checked: data.shown, "aria-label": `Show ${data.name}`,
      change: () => { data.shown = tick.checked; showAll(); },
    });
    const missing = data.columns.reduce((sum, it) => sum + it.missing, 0);
    const infinite = data.columns.reduce((sum, it) => sum + (it.infinite ?? 0), 0);
    const [nRows, nColumns] = data.profile.shape;
    return [
      element("td", {}, tick), element("td", { class: "text" }, data.name), element("td", { class: "text long" }, data.source),
      thousands(nRows), nColumns, element("td", { class: "text" }, `(${nRows}, ${nColumns})`), thousands(missing) + (infinite ? ` and ${thousands(infinite)} infinite` : ""),
    ];
  });
  content("tables").replaceChildren(
    table(["Show", "Name", "From", "Rows", "Columns", "Shape", "Missing cells"], rows, 3));
}

const STATISTICS = { "kolmogorov-smirnov": "Kolmogorov–Smirnov", "total-variation": "total variation" };

function showDifferences() {
  section("differences").hidden = page.differences.length === 0;
  // A text may look like a number, as 02134 does, and is none.
  const shown = ({ statistic }, text) =>
    text === null ? "–" : statistic === "kolmogorov-smirnov" ? String(Number(Number(text).toPrecision(6))) : text;
  const parts = page.differences.flatMap(({ tables: [a, b], columns }) => {
    const rows = columns.map((it) => [
      element("td", { class: "text" }, it.column),
      element("td", { class: "text" }, it.note ?? STATISTICS[it.statistic]),
      it.distance === null ? "–" : it.distance.toFixed(4), it.by_chance === null ? "–" : it.by_chance.toFixed(4),
      ...it.middle.map((text) => element("td", {}, shown(it, text))),
      percent(it.missing[0]), percent(it.missing[1]),
    ]);
    const middle = "median or most frequent";
    return [element("h3", {}, `${a} against ${b}`), table(
      ["column", "statistic", "distance", "by chance", `${middle}, ${a}`, `${middle}, ${b}`, `missing, ${a}`, `missing, ${b}`], rows, 2)];
  });
  content("differences").replaceChildren(...parts);
}

function showHead() {
  const n = Math.max(1, Math.min(MOST_ROWS, Number(section("n-rows").value) || page.head));
  const parts = shownTables().flatMap((data) => {
    const nShown = Math.min(n, data.profile.shape[0]);
    const rows = Array.from({ length: nShown }, (_, row) => [data.first_row + row, ...data.columns.map((column) => {
      const cell = column.cell(row);
      if (column.values === undefined) return element("td", {}, cell);
      if (Number.isNaN(cell)) return element("td", { class: "missing" }, "missing");
      return column.isWhole ? element("td", {}, String(cell)) : figureCell(cell);
    })]);
    return [
      element("h3", {}, `${data.name}: ${nShown} of ${thousands(data.profile.shape[0])} rows`),
      table(["row", ...data.columns.map((it) => it.name)], rows),
    ];
  });
  content("head").replaceChildren(...parts);
}

function showDescribe() {
  const figures = ["mean", "std", "min", "25%", "50%", "75%", "max"];
  const parts = shownTables().flatMap((data) => {
    const [nRows, nColumns] = data.profile.shape;
    const made = [element("h3", {}, `${data.name}: shape (${nRows}, ${nColumns})`)];
    const numbers = data.columns.filter((it) => it.describe);
    if (numbers.length) {
      made.push(table(["column", "count", ...figures, "missing"], numbers.map((it) => [
        it.name, it.describe.count, ...figures.map((figure) => figureCell(it.describe[figure] ?? null)), it.missing + (it.infinite ? ` and ${thousands(it.infinite)} infinite` : ""),
      ])));
    }
    const texts = data.columns.filter((it) => it.categories);
    if (texts.length) {
      made.push(table(["column", "count", "categories", "missing", "most frequent"], texts.map((it) => {
        const top = it.categories.slice(0, 5).map(([text, count]) => `${text} (${thousands(count)})`).join(", ");
        return [it.name, nRows - it.missing, it.n_categories, it.missing, element("td", { class: "text long" }, top)];
      })));
    }
    const empty = data.columns.filter((it) => !it.describe && !it.categories).map((it) => it.name);
    if (empty.length) made.push(element("p", { class: "note" }, `Without any value: ${empty.join(", ")}`));
    return made;
  });
  content("describe").replaceChildren(...parts);
}

/** The range of a column's axis, and what to say, if some shown values are too far out to be on it at first. */
function clipped(name) {
  const [low, high] = page.ends[name] ?? [-Infinity, Infinity];
  const describes = shownTables().map((it) => columnOf(it, name)?.describe).filter((it) => it);
  const [least, greatest] = [Math.min(...describes.map((it) => it.min)), Math.max(...describes.map((it) => it.max))];
  if (!describes.length || (low <= least && greatest <= high)) return { more: {}, said: [] };
  const room = (high - low) / 20 || 0.5;
  const short = (value) => Number(value.toPrecision(6));
  return { more: { range: [low - room, high + room] }, said: [`${name} runs from ${short(least)} to ${short(greatest)}; Autoscale shows all`] };
}
const smaller = (lines) => [...new Set(lines)].map((it) => `<br><span style="font-size:11px">${it}</span>`).join("");

function scatter() {
  const [across, up] = [section("across").value, section("up").value];
  const [ofAcross, ofUp] = [clipped(across), clipped(up)];
  const said = [...ofAcross.said, ...ofUp.said];
  const traces = shownTables().filter((it) => columnOf(it, across)?.values && columnOf(it, up)?.values).map((data) => ({
    type: pointsType, mode: "markers", name: `${data.name} (${thousands(data.profile.shape[0])} rows)`,
    x: columnOf(data, across).values, y: columnOf(data, up).values, showlegend: true,
    marker: { size: 5, opacity: 0.65, color: colour(data.at), symbol: data.at % 2 ? "diamond" : "circle" },
    hovertemplate: `${across} ${hoverNumber("x")}<br>${up} ${hoverNumber("y")}<br>row ${data.first_row ? `${data.first_row} + ` : ""}%{pointNumber}<extra>${data.name}</extra>`,
  }));
  return { traces, layout: {
    xaxis: axis(across, ofAcross.more), yaxis: axis(up, ofUp.more), uirevision: `${across}/${up}`,
    title: { text: `${up} by ${across}${smaller(said)}` }, margin: { l: 60, r: 20, t: 76 + 16 * new Set(said).size, b: 50 },
  } };
}

/** A histogram's axis of heights, and what one of its counts is there. */
function heights(isLog) {
  const areShares = section("bars").value !== "counts";
  const more = areShares
    ? { type: isLog ? "log" : "linear", tickformat: ".3~%", exponentformat: "none" }
    : { type: isLog ? "log" : "linear", dtick: isLog ? 1 : undefined, exponentformat: "none" };
  return { areShares, title: areShares ? "share of the rows" : "rows", more, of: (count, nRows) => (areShares ? count / Math.max(1, nRows) : count) };
}

function numberHistogram(name) {
  const nBins = Math.max(1, Math.min(1000, Math.floor(Number(section("n-bins").value)) || page.bins));
  const isLog = section("log-counts").checked;
  const height = heights(isLog);
  const beyond = [];
  const traces = shownTables().filter((it) => columnOf(it, name)?.describe).map((data) => {
    const { values, describe } = columnOf(data, name);
    const [low, high] = page.ends[name] ?? [describe.min, describe.max];
    const { edges, counts } = histogram(values, low, high, nBins);
    const nBeyond = describe.count - counts.reduce((sum, it) => sum + it, 0);
    if (nBeyond) beyond.push(`${data.name}: ${thousands(nBeyond)} beyond the axis, ${Number(describe.min.toPrecision(6))} to ${Number(describe.max.toPrecision(6))}`);
    return {
      type: "bar", name: data.name, showlegend: true, x: counts.map((_, it) => (edges[it] + edges[it + 1]) / 2),
      y: counts.map((it) => height.of(it, describe.count)),
      width: counts.map((_, it) => edges[it + 1] - edges[it]),
      customdata: counts.map((count, it) => [edges[it], edges[it + 1], count, count / Math.max(1, describe.count)]),
      marker: { color: colour(data.at), opacity: 0.7, line: { width: 1, color: variable("--panel") } },
      hovertemplate: `${name} from ${hoverNumber("customdata[0]")} to ${hoverNumber("customdata[1]")}` +
        `<br>count %{customdata[2]:,}<br>share %{customdata[3]:.3%}<extra>${data.name}</extra>`,
    };
  });
  // A title has lines, so that what is left out is seen with the chart and in its picture.
  const text = `${name}${smaller(beyond)}`;
  return { traces, layout: {
    title: { text }, barmode: "overlay", bargap: 0, xaxis: axis(name), yaxis: axis(height.title, height.more),
    uirevision: `${nBins}/${isLog}/${height.areShares}`, margin: { l: 60, r: 20, t: 76 + 16 * beyond.length, b: 50 },
  } };
}

function textHistogram(name) {
  const isLog = section("log-counts").checked;
  const height = heights(isLog);
  const shown = shownTables().filter((it) => columnOf(it, name)?.categories);
  const order = [...new Set(shown.flatMap((it) => columnOf(it, name).categories.slice(0, 20).map(([text]) => text)))];
  const traces = shown.map((data) => {
    const column = columnOf(data, name);
    const counts = new Map(column.categories);
    const nRows = data.profile.shape[0] - column.missing;
    const share = (it) => (counts.get(it) ?? 0) / Math.max(1, nRows);
    return {
      type: "bar", orientation: "h", name: data.name, showlegend: true, y: order,
      x: order.map((it) => height.of(counts.get(it) ?? 0, nRows)), customdata: order.map((it) => [counts.get(it) ?? 0, share(it)]),
      marker: { color: colour(data.at) },
      hovertemplate: `%{y}<br>count %{customdata[0]:,}<br>share %{customdata[1]:.3%}<extra>${data.name}</extra>`,
    };
  });
  const nCategories = Math.max(0, ...shown.map((it) => columnOf(it, name).n_categories));
  const text = order.length < nCategories ? `${name}: the most frequent of ${thousands(nCategories)}` : name;
  return { traces, layout: {
    title: { text }, xaxis: axis(height.title, { ...height.more, dtick: undefined }),
    yaxis: { ...axis(""), type: "category", autorange: "reversed", dtick: order.length <= 20 ? 1 : undefined },
    uirevision: `${isLog}/${height.areShares}`, margin: { l: 60, r: 20, t: 76, b: 50 },
  } };
}

const boxChoice = new Set();

function boxes() {
  const names = numberNames.filter((it) => boxChoice.has(it));
  const traces = [];
  const layout = { showlegend: false, uirevision: names.join("/"), margin: { l: 60, r: 20, t: 40, b: 60 } };
  const width = 1 / Math.max(1, names.length);
  // Room for the tick labels of a plot between it and its neighbour, however far it is zoomed.
  const gap = names.length < 2 ? 0 : Math.min(0.09, 0.3 / names.length);
  names.forEach((name, at) => {
    const suffix = at ? String(at + 1) : "";
    const domain = [at * width + (at ? gap : 0), (at + 1) * width];
    layout[`xaxis${suffix}`] = axis(name, { domain, anchor: `y${suffix}`, type: "category", showgrid: false });
    const { more, said } = clipped(name);
    layout[`yaxis${suffix}`] = axis(said.length ? `${name}, wild values left out` : "", { anchor: `x${suffix}`, zeroline: false, ...more });
    for (const data of shownTables()) {
      const column = columnOf(data, name);
      if (!column?.box) continue;
      const { q1, median, q3, lower_fence: low, upper_fence: high, n_outside: nOutside, share_outside: share } = column.box;
      const axes = { xaxis: `x${suffix}`, yaxis: `y${suffix}` };
      traces.push({
        ...axes, type: "box", x: [data.name], q1: [q1], median: [median], q3: [q3], lowerfence: [low], upperfence: [high],
        boxpoints: false, hoverinfo: "skip", line: { color: colour(data.at), width: 1.5 }, width: 0.5, whiskerwidth: 0.6,
      });
      const outside = Array.from(column.values).filter((it) => it < low || high < it);
      traces.push({
        ...axes, type: pointsType, mode: "markers", x: outside.map(() => data.name), y: outside,
        marker: { size: 4, opacity: 0.6, color: colour(data.at) },
        hovertemplate: `${name} ${hoverNumber("y")}, outside the fences<extra>${data.name}</extra>`,
      });
      // The box's own labels cover each other where it is flat, so one label says it all.
      const label = `<b>${name}, ${data.name}</b><br>Q1 ${six(q1)}<br>median ${six(median)}<br>Q3 ${six(q3)}<br>lower fence ${six(low)}` +
        `<br>upper fence ${six(high)}<br>outside ${thousands(nOutside)} (${percent(share)})`;
      traces.push({
        ...axes, type: "scatter", mode: "markers", x: new Array(5).fill(data.name), y: [low, q1, median, q3, high],
        marker: { size: 22, opacity: 0 }, hovertemplate: `${label}<extra></extra>`,
      });
    }
  });
  return { traces, layout };
}

function showBoxFigures() {
  const rows = shownTables().flatMap((data) => data.columns.filter((it) => it.box).map(({ name, box }) => [
    element("td", { class: "text" }, data.name), element("td", { class: "text" }, name),
    ...[box.lower_fence, box.q1, box.median, box.q3, box.upper_fence].map(figureCell),
    thousands(box.n_outside), percent(box.share_outside),
  ]));
  content("boxes").replaceChildren(table(
    ["data set", "column", "lower fence", "Q1", "median", "Q3", "upper fence", "outside", "share"], rows, 2));
}

function showAll() {
  showTables(); showHead(); showDescribe(); showBoxFigures(); redraw();
}

function control(id, value, changed) {
  const made = section(id);
  const kept = choices.get(id);
  if (made.type === "checkbox") made.checked = kept === "true";
  else made.value = kept && (made.type === "number" || [...made.options].some((it) => it.value === kept)) ? kept : value;
  made.addEventListener(made.type === "number" ? "input" : "change", () => {
    choose(id, made.type === "checkbox" ? made.checked : made.value);
    changed();
  });
}

function start() {
  showTables();
  showDifferences();
  control("n-rows", page.head, showHead);
  showHead();
  showDescribe();
  const options = () => numberNames.map((it) => element("option", { value: it }, it));
  section("across").append(...options());
  section("up").append(...options());
  if (numberNames.length) {
    let dots;
    const changed = () => redraw([dots]);
    control("across", numberNames[0], changed);
    control("up", numberNames[1] ?? numberNames[0], changed);
    dots = chart(section("scatter").querySelector(".chart"), `${page.title} scatter`, scatter);
  } else section("scatter").hidden = true;
  startHistograms();
  startBoxes();
}

function startHistograms() {
  const own = [];
  const changed = () => redraw(own);
  control("n-bins", page.bins, changed);
  control("bars", "shares", changed);
  control("log-counts", false, changed);
  const builds = [
    ...numberNames.map((name) => [name, () => numberHistogram(name)]),
    ...textNames.filter((it) => !numberNames.includes(it)).map((name) => [name, () => textHistogram(name)]),
  ];
  const place = content("histograms");
  const add = (some) => some.forEach(([name, build]) => {
    const target = element("div", { class: "chart" });
    place.append(target);
    own.push(chart(target, `${page.title} ${name}`, build));
  });
  add(builds.slice(0, MOST_CHARTS));
  const rest = builds.slice(MOST_CHARTS);
  if (rest.length) {
    const more = element("button", { type: "button", click: () => { more.remove(); add(rest); } },
      `Show the histograms of ${rest.length} more columns`);
    place.after(more);
  }
}

function startBoxes() {
  if (!numberNames.length) { section("boxes").hidden = true; return; }
  numberNames.slice(0, MOST_BOXES).forEach((it) => boxChoice.add(it));
  const made = chart(section("boxes").querySelector(".chart"), `${page.title} boxes`, boxes);
  section("box-columns").append(...numberNames.map((name) => {
    const tick = element("input", {
      type: "checkbox", checked: boxChoice.has(name),
      change: () => { if (tick.checked) boxChoice.add(name); else boxChoice.delete(name); redraw([made]); },
    });
    return element("label", {}, tick, name);
  }));
  showBoxFigures();
}

/** Whether this script counts as the program did: the figures are computed by both. */
function checkAgainstProfile() {
  const wrong = tables.flatMap((data) => data.columns.filter((it) => it.histogram).filter(({ values, describe, histogram: told }) => {
    const { counts } = histogram(values, describe.min, describe.max, told.counts.length);
    return counts.some((count, bin) => count !== told.counts[bin]);
  }).map((it) => `${data.name}.${it.name}`));
  document.documentElement.dataset.wrong = wrong.join(" ");
}

start();
checkAgainstProfile();
document.documentElement.dataset.charts = charts.length;
document.documentElement.dataset.ready = "true";

"use strict";
// What the pages share: their data, elements, colours, and charts that can be zoomed, moved, reset, resized and saved.

const page = JSON.parse(document.getElementById("page-data").textContent);

function decodeBytes(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}
const decodeFloats = (text) => new Float64Array(decodeBytes(text).buffer);
const decodeCodes = (text) => new Uint32Array(decodeBytes(text).buffer);

/** Makes an element; attributes that are functions are listeners, children that are text stay text. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const thousands = (count) => count.toLocaleString("en-US");
const percent = (share) => `${(100 * share).toFixed(2)} %`;

/** A number at six decimals, or by its leading digits where six decimals would hide it. */
function six(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  return value !== 0 && (size < 1e-4 || 1e12 <= size) ? value.toExponential(6) : value.toFixed(6);
}

/** A cell of a table of figures; pointing at it shows every digit. */
const figureCell = (value) => element("td", { title: value === null ? "no value" : String(value) }, six(value));

function table(header, rows, nTextColumns = 1) {
  const kind = (at) => (at < nTextColumns ? { class: "text" } : {});
  // A heading stands where its cells do.
  const isText = (at) => at < nTextColumns || (rows[0]?.[at] instanceof Node && rows[0][at].classList.contains("text"));
  const head = element("tr", {}, ...header.map((it, at) => element("th", { scope: "col", class: isText(at) ? "text" : "" }, it)));
  const body = rows.map((row) =>
    element("tr", {}, ...row.map((it, at) => (it instanceof Node ? it : element("td", kind(at), String(it))))));
  return element("div", { class: "scroll" },
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)));
}

// Colours that people who see few of them can tell apart (Okabe and Ito), lighter on a dark ground.
const PALETTE = {
  light: ["#0072b2", "#d55e00", "#009e73", "#a04a86", "#9a6a00", "#3a3f47"],
  dark: ["#56b4e9", "#ff8a4c", "#2fc79a", "#e08fc4", "#e6b84c", "#c7ced8"],
};
const isDark = () =>
  (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const colour = (at) => { const all = PALETTE[isDark() ? "dark" : "light"]; return all[at % all.length]; };
const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Tens of thousands of points need the graphics card; without it they are drawn all the same, only slower.
const pointsType = (() => {
  try { return document.createElement("canvas").getContext("webgl") ? "scattergl" : "scatter"; } catch { return "scatter"; }
})();

const charts = [];

/** Fills an element with a chart; `build` gives its traces and layout, and is asked again when anything changes. */
function chart(target, name, build) {
  const made = { target, name, build };
  charts.push(made);
  draw(made);
  new ResizeObserver(() => { if (target.offsetParent) Plotly.Plots.resize(target); }).observe(target);
  return made;
}

function axis(title, more = {}) {
  return {
    title: { text: title, standoff: 8 }, gridcolor: variable("--grid"), zerolinecolor: variable("--line"),
    linecolor: variable("--line"), automargin: true, exponentformat: "power", minexponent: 7, separatethousands: true, ...more,
  };
}

function draw({ target, name, build }) {
  const { traces, layout } = build();
  const complete = {
    paper_bgcolor: variable("--panel"), plot_bgcolor: variable("--panel"),
    font: { color: variable("--ink"), family: getComputedStyle(document.body).fontFamily, size: 13 },
    margin: { l: 60, r: 20, t: 56, b: 50 }, hovermode: "closest", dragmode: "zoom", autosize: true,
    hoverlabel: { bgcolor: variable("--panel"), bordercolor: variable("--line"), font: { color: variable("--ink") } },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: variable("--muted"), activecolor: variable("--accent"), orientation: "h" },
    legend: { orientation: "h", y: 1.0, yanchor: "bottom", x: 0, xanchor: "left" },
    uirevision: "as it was", ...layout,
  };
  if (complete.title) {
    complete.title = { x: 0.01, xanchor: "left", y: 0.975, yanchor: "top", font: { size: 15 }, ...complete.title };
  }
  Plotly.react(target, traces, complete, {
    responsive: false, displaylogo: false, displayModeBar: true, scrollZoom: true,
    modeBarButtons: [["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d"], ["autoScale2d", "resetScale2d"], ["toImage"]],
    toImageButtonOptions: { format: "png", filename: name.replaceAll(/[^\w.-]+/g, "_"), scale: 2 },
  });
}
const redraw = (only = charts) => only.forEach(draw);

/** What a visitor has chosen, kept in the address so that a reload or a bookmark brings it back. */
const choices = new URLSearchParams(location.hash.slice(1));
function choose(name, value) {
  choices.set(name, value);
  try { history.replaceState(null, "", `#${choices}`); } catch { /* Some browsers refuse this for pages on disk. */ }
}

function themeButton() {
  const text = () => (isDark() ? "Light" : "Dark");
  const button = element("button", {
    type: "button", title: "Changes between a light and a dark page",
    click: () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; button.textContent = text(); redraw(); },
  }, text());
  return button;
}
document.querySelector("header").append(themeButton());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());

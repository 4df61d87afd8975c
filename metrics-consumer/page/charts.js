// The two plots, by Chart.js (a classic script that leaves `Chart` behind).
/* global Chart */
import { PARTITIONS, RARE, TYPES } from "./state.js";
import { clock, duration, service, shortly } from "./words.js";

const COLOURS = { other: "--other", cart_item_added: "--added", cart_item_failed: "--failed",
  sku_created: "--created", stock_changed: "--changed", cart_item_removed: "--removed", cart_cleared: "--cleared" };

const ROW = 13, LABELS = 3 * ROW + 3; // pixels above a plot, for what happened

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Where a label fits: the first of a few rows that is free there; null: nowhere.
function placeLabel(rows, px, width, right) {
  const left = px + 4 + width > right ? px - 4 - width : px + 4;
  const row = rows.findIndex((taken) => taken.every(([from, to]) => left > to + 6 || left + width < from - 6));
  if (row < 0)
    return null;
  rows[row].push([left, left + width]);
  return { left, row };
}

// What happened, as upright lines with a word each.
const marks = {
  id: "marks",
  afterDatasetsDraw(chart) {
    const { ctx, chartArea: area, scales: { x } } = chart;
    const rows = [[], [], []];
    ctx.save();
    ctx.font = "11px system-ui, sans-serif";
    for (const { at, word, calm } of (chart.marks ?? []).toReversed()) {
      if (at < x.min || at > x.max)
        continue;
      const px = Math.round(x.getPixelForValue(at)) + .5;
      const label = placeLabel(rows, px, ctx.measureText(word).width, area.right);
      ctx.strokeStyle = ctx.fillStyle = colour(calm ? "--soft" : "--bad");
      ctx.globalAlpha = .5;
      ctx.beginPath();
      ctx.moveTo(px, label ? area.top - LABELS + label.row * ROW : area.top);
      ctx.lineTo(px, area.bottom);
      ctx.stroke();
      ctx.globalAlpha = 1;
      if (label)
        ctx.fillText(word, label.left, area.top - LABELS + 9 + label.row * ROW);
    }
    ctx.restore();
  },
};

function evenTicks(axis) {
  const step = axis.max - axis.min > 300 ? 120 : 30;
  axis.ticks = [];
  for (let at = Math.ceil(axis.min / step) * step; at <= axis.max; at += step)
    axis.ticks.push({ value: at });
}

function options(yScale, tooltip, labels = 2) {
  return {
    animation: false, parsing: false, normalized: true, responsive: true, maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    layout: { padding: { top: labels } },
    scales: {
      x: { type: "linear", grid: { display: false }, afterBuildTicks: evenTicks,
        ticks: { maxRotation: 0, autoSkipPadding: 16, callback: (at) => clock(at * 1000) } },
      y: { beginAtZero: true, border: { display: false }, ...yScale },
    },
    plugins: {
      legend: { position: "bottom", align: "start", labels: { boxWidth: 10, boxHeight: 10, padding: 12,
        filter: (item, { datasets }) => !datasets[item.datasetIndex].hidden } },
      tooltip: { callbacks: { title: ([item]) => item ? `${clock(item.parsed.x * 1000)} UTC` : "", label: tooltip } },
    },
  };
}

function makeRate(canvas) {
  return new Chart(canvas, {
    type: "line", plugins: [marks],
    data: { datasets: TYPES.slice().reverse().map((type, at) => ({ label: type, data: [], fill: at === 0 ? "origin" : "-1",
      borderWidth: 1, pointRadius: 0, key: COLOURS[type] })) },
    options: options({ stacked: true, ticks: { maxTicksLimit: 5, precision: 0, callback: shortly } },
      (item) => `${item.dataset.label}: ${item.parsed.y}`),
  });
}

function makeWait(canvas) {
  const shown = new Set([1, 10, 100, 1000, 10000, 100000, 1000000]);
  return new Chart(canvas, {
    type: "line", plugins: [marks],
    data: { datasets: PARTITIONS.map((p) => ({ label: `partition ${p}`, data: [], borderWidth: 1.5, pointRadius: 0,
      key: `--p${p}` })) },
    options: options({ type: "logarithmic", min: 1, suggestedMax: 1000,
      ticks: { callback: (ms) => shown.has(ms) ? duration(ms) : null },
      grid: { color: (context) => shown.has(context.tick?.value) ? colour("--line") : "transparent" } },
    (item) => `${item.dataset.label}: ${duration(item.parsed.y)}`, LABELS),
  });
}

export function makeCharts(rateCanvas, waitCanvas) {
  const charts = [makeRate(rateCanvas), makeWait(waitCanvas)];
  const paint = () => {
    for (const chart of charts) {
      chart.options.color = chart.options.scales.x.ticks.color = chart.options.scales.y.ticks.color = colour("--soft");
      if (chart.options.scales.y.type !== "logarithmic")
        chart.options.scales.y.grid = { color: colour("--line") };
      for (const set of chart.data.datasets) {
        set.borderColor = colour(set.key);
        set.backgroundColor = set.fill ? `${colour(set.key)}99` : colour(set.key);
      }
      chart.update("none");
    }
  };
  paint();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  return charts;
}

function wordOf(entry) {
  switch (entry.kind) {
  case "leader":
    return (entry.to < 0 ? `p${entry.partition}: no leader` : `p${entry.partition} → broker ${entry.to}`)
      + (entry.pause_ms ? `, ${duration(entry.pause_ms)}` : "");
  case "broker": return entry.to < 0 ? `broker ${entry.from} gone` : `broker ${entry.to} back`;
  case "start": return "consumer started";
  case "outbox": return `${service(entry.about)} waits`;
  case "drained": return `${service(entry.about)} drained`;
  case "silent": return `${service(entry.about)} silent`;
  case "heard": return `${service(entry.about)} answers`;
  case "pause": return `p${entry.partition}: pause ${duration(entry.pause_ms)}`;
  default: return null;
  }
}

// The seconds up to the last whole one.
export function drawCharts([rate, wait], state, seconds) {
  const end = Math.floor(state.message.now / 1000) - 1;
  const oldest = Math.min(...state.seconds.keys(), end);
  const rows = [];
  for (let at = Math.max(end - seconds, oldest); at <= end; at++)
    rows.push([at, state.seconds.get(at)]);
  rate.data.datasets.forEach((set) => {
    const type = TYPES.indexOf(set.label);
    set.data = rows.map(([at, second]) => ({ x: at, y: second ? second.types[type][0] + second.types[type][1] : 0 }));
    set.hidden = RARE.includes(set.label) && set.data.every(({ y }) => y === 0);
  });
  wait.data.datasets.forEach((set, p) => {
    set.data = rows.map(([at, second]) => ({ x: at, y: second && second.delay[p] > 0 ? second.delay[p] : null }));
  });
  const words = [...state.timeline.values()].map((entry) => ({ at: entry.at / 1000, word: wordOf(entry),
    calm: ["start", "drained", "heard"].includes(entry.kind) || (entry.kind === "broker" && entry.to >= 0) }))
    .filter(({ word }) => word);
  for (const chart of [rate, wait]) {
    chart.options.scales.x.min = end - seconds;
    chart.options.scales.x.max = end;
    chart.marks = chart === wait ? words : [];
    chart.update("none");
  }
}

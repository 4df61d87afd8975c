// The page: it listens to /feed and shows what it hears.
import { drawCharts, makeCharts } from "./charts.js";
import { TYPES, makeState, sum, takeMessage } from "./state.js";
import * as tables from "./tables.js";
import * as words from "./words.js";

const AGAIN_MS = 3000; // after a refusal; the browser itself comes back after a cut
const find = (id) => document.getElementById(id);
const state = makeState();
const view = { paused: null, filter: {}, found: null, sort: { by: "sku", down: false }, window: 120, lost: null, due: false };
let charts = null;

function say(text, mood) {
  tables.setText(find("status"), text, mood);
}

function showStatus() {
  const { message } = state;
  if (view.lost) {
    say(view.lost, "lost");
    return;
  }
  if (!message)
    return;
  const wrong = Object.values(message.checks).filter((why) => why);
  if (state.reading)
    say(`reading the journal: ${words.bytes(message.behind)} left`, "reading");
  else if (wrong.length)
    say(wrong.join("; "), "trouble");
  else
    say(message.behind > 10000000 ? `live, ${words.bytes(message.behind)} behind the journal` : "live", "live");
}

function worriesOf({ counts, brokers, services }) {
  const worries = [];
  if (brokers.partitions.some(({ leader, replicas }) => replicas.length && leader < 0))
    worries.push("A partition has no leader: its events wait in their service.");
  if (brokers.partitions.some(({ replicas, in_sync: inSync }) => replicas.length > 1 && inSync.length < 2))
    worries.push("One in-sync replica is left: a second broker that fails stops the flow.");
  worries.push(...services.filter(({ risk }) => risk).map(words.outboxWorry));
  if (counts.misplaced)
    worries.push(`${words.count(counts.misplaced)} events were on the other service's partition.`);
  if (counts.nameless || counts.untracked)
    worries.push(`${words.count(counts.nameless + counts.untracked)} events had no number to be counted by.`);
  if (counts.group_ahead)
    worries.push("The consumer group knew more than this journal at the start.");
  return worries;
}

function showPromise() {
  const { counts, lag } = state.message;
  const dead = Object.values(counts.dead).reduce((all, each) => all + each, 0);
  const holes = counts.holes + counts.replaced + counts.number_holes;
  const messages = lag.map((each) => each.messages), ms = Math.max(...lag.map((each) => each.ms));
  const unknown = messages.some((each) => each < 0);
  tables.setText(find("total"), words.count(sum(counts.events)));
  tables.setText(find("missing"), words.count(counts.missing), counts.missing ? "bad" : "good");
  tables.setText(find("holes"), words.count(holes), holes ? "bad" : "good");
  tables.setText(find("repeats"), words.count(counts.repeats));
  tables.setText(find("dead"), words.count(dead), dead ? "warn" : "good");
  tables.setText(find("lag"), unknown ? "not known" : words.count(sum([messages])), !unknown && ms > 5000 ? "warn" : "");
  tables.setText(find("lag-age"), unknown || ms < 0 ? "" : words.duration(ms));
  tables.setText(find("worries"), worriesOf(state.message).join(" "));
}

function covers() {
  if (state.reading || !state.from)
    return "";
  return state.whole ? `Events, flow and stock are of the whole journal, since ${words.dayAndClock(state.from)} UTC.`
    : `Events, flow and stock cover the journal since ${words.dayAndClock(state.from)} UTC; what is before is in the totals alone.`;
}

const isFiltered = () => Object.keys(view.filter).length > 0;

function showEvents() {
  const events = view.paused ?? (isFiltered() ? view.found ?? [] : state.events);
  tables.showEvents(events);
  tables.setText(find("events-note"), view.paused ? "paused" : isFiltered()
    ? `${events.length} of the last 2,000 events pass` : `the last ${Math.min(events.length, 100)}`);
}

function show() {
  view.due = false;
  showStatus();
  if (!state.message)
    return;
  const { journal, file, position } = state.message;
  tables.setText(find("place"), journal ? `${journal}, file ${file}, byte ${words.count(position)}` : "not open yet");
  showPromise();
  tables.showServices(state);
  tables.showKafka(state);
  tables.showTimeline(state);
  tables.showLetters(state);
  tables.showTypes(state);
  if (!state.reading) {
    if (charts)
      drawCharts(charts, state, view.window);
    tables.showSeconds(state);
    showEvents();
    tables.showSkus(state, view.sort, find("sku-find").value.trim());
  }
  tables.setText(find("covers"), covers());
}

function showSoon() {
  if (view.due || document.hidden)
    return;
  view.due = true;
  requestAnimationFrame(show);
}

function announce() {
  const last = state.news.splice(0).filter(({ kind }) => kind !== "replicas").at(-1);
  if (last)
    find("news").textContent = words.happening(last).join(" ");
}

function take(event, all) {
  view.lost = null;
  takeMessage(state, JSON.parse(event.data), all);
  announce();
  showSoon();
}

function lose(text) {
  view.lost = text;
  showSoon();
}

function connect() {
  const feed = new EventSource("/feed");
  feed.addEventListener("all", (event) => take(event, true));
  feed.addEventListener("tick", (event) => take(event, false));
  feed.addEventListener("reading", (event) => take(event, false));
  feed.addEventListener("dropped", () => lose("this page was too slow and was dropped; it comes back"));
  feed.addEventListener("error", () => {
    lose("the consumer does not answer; asking again");
    if (feed.readyState !== EventSource.CLOSED)
      return;
    feed.close();
    setTimeout(connect, AGAIN_MS);
  });
}

async function search() {
  const asked = { ...view.filter };
  try {
    const answer = await fetch(`/recent?${new URLSearchParams({ ...asked, limit: 100 })}`);
    if (!answer.ok || JSON.stringify(asked) !== JSON.stringify(view.filter))
      return;
    const rows = (await answer.json()).events;
    const known = new Map((view.found ?? []).map((each) => [each.place, each]));
    view.found = rows.map(([time, type, partition, offset, source, id, delay, sku, cart, count, price, reason, place]) =>
      known.get(place) ?? { time, type, partition, offset, source, id, delay, sku, cart, count, price, reason, place });
    showSoon();
  } catch {
    // The feed says that the consumer is gone.
  }
}

function readFilter() {
  const wanted = { type: find("filter-type").value, cart: find("filter-cart").value.trim(), sku: find("filter-sku").value.trim() };
  view.filter = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value));
  view.found = null;
  if (isFiltered())
    search();
  showSoon();
}

function pause() {
  const { paused } = view;
  view.paused = paused ? null : [...(isFiltered() ? view.found ?? [] : state.events)];
  find("pause").setAttribute("aria-pressed", String(!paused));
  showSoon();
}

function sortBy(button) {
  const { by, down } = view.sort, wanted = button.dataset.sort;
  view.sort = { by: wanted, down: by === wanted ? !down : wanted !== "sku" };
  for (const each of document.querySelectorAll("#skus th"))
    each.removeAttribute("aria-sort");
  button.closest("th").setAttribute("aria-sort", view.sort.down ? "descending" : "ascending");
  showSoon();
}

function start() {
  find("filter-type").append(...TYPES.map((type) => tables.make("option", type)));
  find("filter").addEventListener("input", readFilter);
  find("filter").addEventListener("reset", () => setTimeout(readFilter));
  find("filter").addEventListener("submit", (event) => event.preventDefault());
  find("sku-filter").addEventListener("submit", (event) => event.preventDefault());
  find("sku-find").addEventListener("input", showSoon);
  find("seconds").addEventListener("toggle", showSoon);
  find("pause").addEventListener("click", pause);
  for (const button of document.querySelectorAll("#skus th button"))
    button.addEventListener("click", () => sortBy(button));
  for (const radio of document.querySelectorAll("input[name=window]"))
    radio.addEventListener("change", () => { view.window = Number(radio.value); showSoon(); });
  document.addEventListener("visibilitychange", showSoon);
  setInterval(() => { if (isFiltered() && !view.paused && !document.hidden) search(); }, 1000);
  charts = makeCharts(find("rate-plot"), find("wait-plot"));
  connect();
}

start();

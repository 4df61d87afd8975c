// What the page knows: messages of /feed taken together. No document here.

export const TYPES = ["other", "cart_item_added", "cart_item_failed", "sku_created", "stock_changed",
  "cart_item_removed", "cart_cleared"];
export const RARE = ["other", "cart_item_removed", "cart_cleared"]; // left out where there are none
export const PARTITIONS = [0, 1];
const EVENTS_KEPT = 500;
const SECONDS_KEPT = 610;

function readEvent(row) {
  const [time, type, partition, offset, source, id, delay, sku, cart, count, price, reason, place] = row;
  return { time, type, partition, offset, source, id, delay, sku, cart, count, price, reason, place };
}

function isBehind(place, other) { // whether the first of two places in the journal comes later
  const [file, at] = place.split(":").map(Number);
  const [otherFile, otherAt] = other.split(":").map(Number);
  return file > otherFile || (file === otherFile && at > otherAt);
}

export function readSecond(row) {
  const types = TYPES.map((_, type) => PARTITIONS.map((p) => row[1 + type * PARTITIONS.length + p]));
  const at = 1 + TYPES.length * PARTITIONS.length;
  return { at: row[0], types, delay: [row[at], row[at + 1]], pause: [row[at + 2], row[at + 3]] };
}

export function makeState() {
  return { message: null, journal: "", events: [], seconds: new Map(), skus: new Map(), timeline: new Map(),
    letters: [], reading: false, skusWaiting: 0, skusLeftOut: 0, from: 0, whole: false, news: [] };
}

function takeEvents(state, message, all) {
  const last = state.events.findLast((each) => each.place);
  const fresh = message.events.map(readEvent).filter((each) => !last || isBehind(each.place, last.place));
  if (message.passed > 0 && fresh.length > 0)
    state.events.push({ gap: `${message.passed.toLocaleString("en")} more in this moment; the journal has them` });
  else if (all && last && fresh.length === message.events.length && fresh.length > 0)
    state.events.push({ gap: "what came while this page was not connected is not in this list; the journal has it" });
  state.events.push(...fresh);
  state.events.splice(0, state.events.length - EVENTS_KEPT);
}

function takeTimeline(state, message, all) {
  for (const entry of message.timeline) {
    if (entry.kind === "gone")
      state.timeline.delete(entry.id);
    else {
      if (!all && JSON.stringify(state.timeline.get(entry.id)) !== JSON.stringify(entry))
        state.news.push(entry);
      state.timeline.set(entry.id, entry);
    }
  }
}

function takeSeconds(state, message) {
  for (const row of message.seconds)
    state.seconds.set(row[0], readSecond(row));
  const oldest = Math.floor(message.now / 1000) - SECONDS_KEPT;
  for (const at of state.seconds.keys()) {
    if (at < oldest)
      state.seconds.delete(at);
  }
}

// `all` replaces what was known; the events that are listed stay, if they are of the same journal.
export function takeMessage(state, message, all) {
  if (all) {
    state.timeline.clear();
    if (!message.reading) {
      state.seconds.clear();
      state.skus.clear();
    }
    if (message.journal !== state.journal)
      state.events = [];
    state.journal = message.journal;
  }
  state.message = message;
  state.reading = Boolean(message.reading);
  takeTimeline(state, message, all);
  if (message.letters)
    state.letters = message.letters;
  if (state.reading)
    return;
  takeEvents(state, message, all);
  takeSeconds(state, message);
  for (const [sku, level, price, added, units, failed, reason, time] of message.skus)
    state.skus.set(sku, { sku, level, price, added, units, failed, reason, time });
  state.skusWaiting = message.skus_waiting;
  state.skusLeftOut = message.skus_left_out;
  state.from = message.from;
  state.whole = message.whole;
}

// Events a second over the last ten whole seconds of the consumer's clock: [type][partition].
export function rates(state) {
  const now = Math.floor(state.message.now / 1000);
  const sums = TYPES.map(() => PARTITIONS.map(() => 0));
  for (let at = now - 10; at < now; at++)
    state.seconds.get(at)?.types.forEach((row, type) => row.forEach((count, p) => { sums[type][p] += count; }));
  return sums.map((row) => row.map((sum) => sum / 10));
}

export function sum(rows) {
  return rows.flat().reduce((all, each) => all + each, 0);
}

// Tables and lists. Text only ever goes in as text.
import { PARTITIONS, RARE, TYPES, rates, sum } from "./state.js";
import * as words from "./words.js";

const EVENTS_SHOWN = 100;
const SKUS_SHOWN = 200;
const find = (id) => document.getElementById(id);

export function make(tag, text, marks = {}) {
  const element = document.createElement(tag);
  if (text !== undefined)
    element.textContent = text;
  for (const [name, value] of Object.entries(marks))
    element.setAttribute(name, value);
  return element;
}

function row(...cells) {
  const line = make("tr");
  line.append(...cells);
  return line;
}

function head(text, marks) {
  return make("th", text, { scope: "row", ...marks });
}

function number(text, marks) {
  return make("td", text, { class: "number", ...marks });
}

export function setText(element, text, state) {
  if (element.textContent !== text)
    element.textContent = text;
  if (state !== undefined && element.dataset.state !== state)
    element.dataset.state = state;
}

export function showTypes(state) {
  const now = rates(state), ever = state.message.counts.events;
  const rows = TYPES.map((type, at) => ({ type, now: now[at], ever: ever[at] }))
    .filter(({ type, ever: counts }) => !RARE.includes(type) || sum([counts]) > 0);
  const lines = rows.map((each) => row(head(each.type, { class: "key", "data-key": each.type }),
    ...each.now.map((rate) => make("td", words.rate(rate))), ...each.ever.map((count) => make("td", words.count(count)))));
  const totals = (table, say) => PARTITIONS.map((p) => make("td", say(table.reduce((all, each) => all + each[p], 0))));
  lines.push(row(head("all"), ...totals(now, words.rate), ...totals(ever, words.count)));
  find("types").tBodies[0].replaceChildren(...lines);
}

export function showSeconds(state) {
  const table = find("seconds").querySelector("table");
  if (!find("seconds").open)
    return;
  table.tHead.replaceChildren(row(...["second, UTC", ...TYPES, "longest wait p0", "longest wait p1"]
    .map((text) => make("th", text, { scope: "col" }))));
  const end = Math.floor(state.message.now / 1000) - 1;
  const lines = [];
  for (let at = end; at > end - 30; at--) {
    const second = state.seconds.get(at);
    lines.push(row(head(words.clock(at * 1000)), ...TYPES.map((_, type) =>
      make("td", words.count(second ? sum([second.types[type]]) : 0))),
    ...PARTITIONS.map((p) => make("td", second ? words.duration(second.delay[p]) : "–"))));
  }
  table.tBodies[0].replaceChildren(...lines);
}

export function showKafka(state) {
  const { brokers, lag } = state.message;
  const now = rates(state);
  find("partitions").tBodies[0].replaceChildren(...brokers.partitions.map((partition, p) => {
    const few = partition.in_sync.length < Math.max(2, partition.replicas.length);
    const late = lag[p].messages > 0;
    return row(head(`partition ${p}`, { class: "key", "data-key": `p${p}` }),
      make("td", partition.leader < 0 ? "none" : `broker ${partition.leader}`, partition.leader < 0 ? { class: "bad" } : {}),
      make("td", `${partition.in_sync.length} of ${partition.replicas.length} (${partition.in_sync.join(", ")})`,
        few ? { class: "warn" } : {}),
      make("td", words.rate(now.reduce((all, each) => all + each[p], 0))),
      make("td", lag[p].messages < 0 ? "not known" : words.count(lag[p].messages)),
      make("td", lag[p].ms < 0 ? "not known" : (lag[p].ms / 1000).toFixed(1), late && lag[p].ms > 5000 ? { class: "warn" } : {}));
  }));
  find("brokers").tBodies[0].replaceChildren(...brokers.list.toSorted((a, b) => a.id - b.id).map((broker) => {
    const leads = brokers.partitions.flatMap((partition, p) => partition.leader === broker.id ? [p] : []);
    return row(head(`broker ${broker.id}`), make("td", broker.host, { class: "mono" }),
      make("td", leads.length ? leads.map((p) => `partition ${p}`).join(", ") : "–"),
      make("td", `${broker.here ? "there" : "gone"}${broker.since ? ` since ${words.clock(broker.since)}` : ""}`,
        { class: broker.here ? "good" : "bad" }));
  }));
  setText(find("kafka-note"), brokers.trouble ? `Kafka, asked just now: ${brokers.trouble}`
    : brokers.answered ? `as Kafka said at ${words.clock(brokers.answered)} UTC` : "Kafka was not heard yet");
}

export function showServices(state) {
  const { services } = state.message;
  find("outboxes").hidden = services.length === 0;
  setText(find("services-note"), services.length ? "" : "SERVICES is not set: no service is asked for its outbox.");
  find("outboxes").tBodies[0].replaceChildren(...services.map((service) => {
    const [text, mood] = words.outbox(service);
    const told = (value) => number(service.source && value >= 0 ? words.count(value) : "–");
    return row(head(service.source || service.url), told(service.last), told(service.published), told(service.journaled),
      told(service.waiting), make("td", text, { class: `words ${mood}` }), make("td", service.url, { class: "mono" }));
  }));
}

export function showTimeline(state) {
  const list = find("happenings");
  const entries = [...state.timeline.values()].sort((a, b) => b.at - a.at || b.id - a.id);
  const key = JSON.stringify(entries);
  if (list.shown === key)
    return;
  list.shown = key;
  list.replaceChildren(...entries.map((entry) => {
    const [about, what] = words.happening(entry);
    const line = make("li"), text = make("span");
    text.append(make("b", about), ` ${what}`);
    line.append(make("time", words.clock(entry.at), { datetime: new Date(entry.at).toISOString(),
      title: `${words.dayAndClock(entry.at)} UTC` }), text);
    line.dataset.kind = entry.kind;
    return line;
  }));
}

function eventRow(event) {
  if (event.gap) {
    const line = row(make("td", event.gap, { colspan: "10" }));
    line.className = "gap";
    return line;
  }
  const line = row(make("td", words.clockMs(event.time)), make("td", event.type, { class: "key", "data-key": event.type }),
    make("td", event.cart), make("td", event.sku), number(event.type === "other" ? "" : words.count(event.count)),
    number(event.partition === 1 && event.price ? words.price(event.price) : ""), make("td", event.reason),
    number(words.duration(event.delay)), make("td", `p${event.partition}, ${event.offset}`, { class: "quiet" }),
    make("td", event.source ? `${event.source}, ${event.id}` : "none", { class: "quiet" }));
  line.dataset.place = event.place;
  return line;
}

// The newest on top. Rows that are there already stay, so that a reader keeps his place.
export function showEvents(events) {
  const body = find("event-list").tBodies[0];
  const wanted = events.slice(-EVENTS_SHOWN).reverse();
  const known = body.rows.length > 0;
  const rows = new Map([...body.rows].map((line) => [line.event, line]));
  let next = body.firstChild;
  for (const event of wanted) {
    let line = rows.get(event);
    if (line) {
      rows.delete(event);
      if (line === next)
        next = line.nextSibling;
      else
        body.insertBefore(line, next);
      continue;
    }
    line = eventRow(event);
    line.event = event;
    if (known)
      line.classList.add("new");
    body.insertBefore(line, next);
  }
  for (const line of rows.values())
    line.remove();
}

function compare(a, b) {
  return typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : (a ?? -1) - (b ?? -1);
}

export function showSkus(state, sort, prefix) {
  const all = [...state.skus.values()].filter(({ sku }) => sku.startsWith(prefix));
  all.sort((a, b) => (sort.down ? -1 : 1) * compare(a[sort.by], b[sort.by]) || compare(a.sku, b.sku));
  find("skus").tBodies[0].replaceChildren(...all.slice(0, SKUS_SHOWN).map((each) => row(head(each.sku),
    make("td", each.level === null ? "–" : words.count(each.level), each.level === 0 ? { class: "warn" } : {}),
    make("td", each.level === null ? "–" : words.price(each.price)), make("td", words.count(each.added)),
    make("td", words.count(each.units)), make("td", words.count(each.failed), each.failed ? { class: "bad" } : {}),
    make("td", each.reason, { class: "text" }))));
  const notes = [`${words.count(Math.min(all.length, SKUS_SHOWN))} of ${words.count(state.skus.size)} shown`];
  if (state.skusWaiting)
    notes.push(`${words.count(state.skusWaiting)} newer in a moment`);
  if (state.skusLeftOut)
    notes.push(`${words.count(state.skusLeftOut)} events of further SKUs are not in this table`);
  setText(find("stock-note"), notes.join("; "));
}

function plain(hex) {
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  const text = new TextDecoder().decode(bytes);
  return /[\u0000-\u0008\u000e-\u001f\ufffd]/.test(text) ? `hex ${hex}` : text;
}

export function showLetters(state) {
  const { dead } = state.message.counts;
  const reasons = Object.entries(dead).map(([reason, count]) => `${reason} ${words.count(count)}`);
  setText(find("reasons"), reasons.length ? `In all: ${reasons.join(", ")}.` : "None: every record was an event.");
  const body = find("letter-list").tBodies[0];
  find("letter-list").hidden = state.letters.length === 0;
  if (body.letters === state.letters)
    return;
  body.letters = state.letters;
  body.replaceChildren(...state.letters.toReversed().map((letter) => {
    const cut = letter.value_hex && letter.value_length > letter.value_hex.length / 2;
    return row(make("td", words.dayAndClock(Date.parse(letter.time))), make("td", letter.reason, { class: "bad" }),
      make("td", `p${letter.partition}, ${letter.offset}`), make("td", letter.source ? `${letter.source}, ${letter.id}` : "none"),
      number(letter.value_hex === null ? "no value" : words.count(letter.value_length)),
      make("td", letter.value_hex === null ? "" : plain(letter.value_hex) + (cut ? " …" : ""), { class: "bytes mono" }));
  }));
}

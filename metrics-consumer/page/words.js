// How things are said.

export function count(number) {
  return number.toLocaleString("en");
}

export function shortly(number) {
  return number >= 1000000 ? `${number / 1000000}M` : number >= 10000 ? `${number / 1000}k` : count(number);
}

export function rate(number) {
  return number === 0 ? "0" : number < 100 ? number.toFixed(1) : count(Math.round(number));
}

export function clock(ms) {
  return new Date(ms).toISOString().slice(11, 19);
}

export function clockMs(ms) {
  return new Date(ms).toISOString().slice(11, 23);
}

export function dayAndClock(ms) {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

export function duration(ms) {
  if (ms < 1000)
    return `${Math.round(ms)} ms`;
  if (ms < 60000)
    return `${(ms / 1000).toLocaleString("en", { maximumFractionDigits: ms < 10000 ? 1 : 0 })} s`;
  return ms < 3600000 ? `${Math.round(ms / 60000)} min` : `${(ms / 3600000).toFixed(1)} h`;
}

export function bytes(number) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let at = 0;
  for (; number >= 1000 && at < units.length - 1; at++)
    number /= 1000;
  return `${at === 0 ? number : number.toFixed(1)} ${units[at]}`;
}

export function price(cents) {
  return (cents / 100).toFixed(2);
}

// In a word: a source without its store, or the host of a URL.
export function service(name) {
  return name.includes("://") ? name.split("/")[2] : name.split("/")[0];
}

// A service's outbox, and whether that is good.
export function outbox({ state, waiting, for_ms: ms, why, risk }) {
  const left = waiting ? `; ${count(waiting)} events waited then` : "";
  switch (state) {
  case "silent": return [`does not answer for ${duration(ms)}: ${why}${left}`, risk ? "bad" : "warn"];
  case "empty": return ["all in Kafka", "good"];
  case "busy": return ["on the way to Kafka", "good"];
  case "still": return [`waits: nothing published for ${duration(ms)}`, "bad"];
  case "grows": return [`grows: the oldest event waits for ${duration(ms)}`, "bad"];
  case "drains": return [`drains: the oldest event waits for ${duration(ms)}`, "warn"];
  default: return ["not asked yet", "quiet"];
  }
}

export function outboxWorry(service) {
  const { state, source, url, waiting } = service;
  if (state === "silent")
    return `${source || url} does not answer: how many events wait there is not known.`;
  return `The outbox of ${source} ${outbox(service)[0]}; ${count(waiting)} events are not in Kafka yet.`;
}

function pauseOf(entry) {
  return entry.pause_ms ? `; nothing came for ${duration(entry.pause_ms)}` : "";
}

// An entry of the timeline: what it is about, and what happened.
export function happening(entry) {
  switch (entry.kind) {
  case "start":
    return ["consumer", "started"];
  case "leader":
    if (entry.to < 0)
      return [`partition ${entry.partition}`, `lost its leader, broker ${entry.from}${pauseOf(entry)}`];
    return [`partition ${entry.partition}`,
      entry.from < 0 ? `has a leader again: broker ${entry.to}${pauseOf(entry)}`
        : `leader moved from broker ${entry.from} to broker ${entry.to}${pauseOf(entry)}`];
  case "broker":
    return entry.to < 0 ? [`broker ${entry.from}`, "is gone"] : [`broker ${entry.to}`, "is there again"];
  case "replicas":
    return [`partition ${entry.partition}`, `in-sync replicas: ${entry.from} → ${entry.to}`];
  case "pause":
    return [`partition ${entry.partition}`, `nothing came for ${duration(entry.pause_ms)} while events waited`];
  case "outbox":
    return [entry.about, `outbox ${outbox({ state: entry.text, for_ms: entry.pause_ms })[0]}`];
  case "drained":
    return [entry.about, `outbox drained, after ${duration(entry.pause_ms)}`];
  case "silent":
    return [entry.about, `does not answer: ${entry.text}`];
  case "heard":
    return [entry.about, entry.pause_ms ? `answers again, after ${duration(entry.pause_ms)}` : "answers"];
  case "trouble":
    return ["trouble", entry.text];
  case "well":
    return [entry.text, "is well again"];
  default:
    return [entry.kind, entry.text ?? ""];
  }
}

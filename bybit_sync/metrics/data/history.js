"use strict";
// What was read during the last minutes, and what follows from two readings.

const KEPT = 301; // readings, one a second

class History {
  constructor() { this.readings = []; }

  get last() { return this.readings[this.readings.length - 1]; }

  // A count that went down belongs to another process: what came before says nothing about it.
  add(reading) {
    const before = this.last;
    if (before && (reading.time < before.time || fewer(reading, before))) this.readings = [];
    this.readings.push(reading);
    if (this.readings.length > KEPT) this.readings.shift();
  }

  // The reading to subtract: the oldest within `seconds`, or none, which is the process's start.
  base(seconds) {
    if (!Number.isFinite(seconds)) return null;
    const since = this.last.time - seconds - 0.5;
    return this.readings.find((each) => each.time >= since);
  }

  // One value for each two neighbouring readings of an exchange, oldest first.
  series(exchange, value) {
    const values = [];
    for (let i = 1; i < this.readings.length; i++) {
      const now = named(this.readings[i], exchange), then = named(this.readings[i - 1], exchange);
      if (now) values.push(value(now, then, this.readings[i].time - this.readings[i - 1].time));
    }
    return values;
  }
}

function named(reading, exchange) {
  return reading ? reading.exchanges.find((each) => each.exchange === exchange) : undefined;
}

function fewer(now, then) {
  return then.exchanges.some((old) => {
    const young = named(now, old.exchange);
    return !young || young.pool.created < old.pool.created || callsOf(young) < callsOf(old);
  });
}

function sum(values) { return values.reduce((total, each) => total + each, 0); }

function callsOf(exchange) {
  return exchange ? sum(exchange.endpoints.map((each) => sum(Object.values(each.outcomes)))) : 0;
}

function failuresOf(exchange) {
  if (!exchange) return 0;
  return callsOf(exchange) - sum(exchange.endpoints.map((each) => each.outcomes.ok || 0));
}

// A histogram less an earlier one of the same kind.
function less(now, then) {
  if (!then || then.counts.length !== now.counts.length) return now;
  return {
    bounds: now.bounds,
    counts: now.counts.map((count, i) => count - then.counts[i]),
    count: now.count - then.count,
    sum: now.sum - then.sum,
  };
}

function plus(a, b) {
  if (!a || !a.bounds.length) return b;
  if (!b.bounds.length) return a;
  return {
    bounds: a.bounds,
    counts: a.counts.map((count, i) => count + b.counts[i]),
    count: a.count + b.count,
    sum: a.sum + b.sum,
  };
}

// All endpoints of an exchange together.
function timesOf(exchange) {
  const none = { bounds: [], counts: [0], count: 0, sum: 0 };
  return exchange ? exchange.endpoints.reduce((all, each) => plus(all, each.seconds), none) : none;
}

function timesAt(exchange, endpoint) {
  const found = exchange && exchange.endpoints.find((each) => each.endpoint === endpoint);
  return found ? found.seconds : undefined;
}

// The duration that a share of the calls stays below; a bucket's calls are taken to be spread
// evenly. `bound` tells "<" in the first bucket and ">" beyond the last: more is not known there.
function quantile(times, share) {
  if (!times.count || !times.bounds.length) return null;
  const rank = share * times.count;
  let below = 0, floor = 0;
  for (let i = 0; i < times.bounds.length; i++) {
    const count = times.counts[i];
    if (count > 0 && below + count >= rank) {
      if (i === 0) return { seconds: times.bounds[0], bound: "<" };
      return { seconds: floor + (times.bounds[i] - floor) * (rank - below) / count, bound: "" };
    }
    below += count;
    floor = times.bounds[i];
  }
  return { seconds: floor, bound: ">" };
}

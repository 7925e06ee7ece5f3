// The page itself: reads status.json once a second and shows it.

const EVERY = 1000, PATIENCE = 5000; // milliseconds
const WINDOWS = [["last minute", 60], ["last 5 minutes", 300], ["since the start", Infinity]];
const THEMES = ["auto", "light", "dark"];
const FEW_LEFT = 3; // calls of a limit
const DRIFT = 0.5; // seconds between the clocks
const MANY_FAIL = 0.05; // of the calls

const past = new History();
let chosen = null, windowIndex = 0, isPaused = false, failedSince = null;

const endpoints = new Table("endpoints", [
  { title: "endpoint", value: (r) => r.name, text: (r) => r.name, isDown: false },
  { title: "calls", value: (r) => r.times.count, text: (r) => number(r.times.count) },
  { title: "p50", value: (r) => secondsOf(r.p50), text: (r) => bounded(r.p50) },
  { title: "p99", value: (r) => secondsOf(r.p99), text: (r) => bounded(r.p99) },
  { title: "mean", wide: true, value: (r) => mean(r.times) || 0, text: (r) => duration(mean(r.times)) },
  { title: "mean, 5 minutes", wide: true, value: (r) => mean(r.times) || 0,
    text: (r) => sparkline(r.line, `mean latency of ${r.name}`) },
], 1, "No call yet.");

const remaining = new Table("remaining", [
  { title: "endpoint", value: (r) => r.name, text: (r) => r.name, isDown: false },
  { title: "calls left", value: (r) => r.left, text: (r) => number(r.left), isDown: false,
    kind: (r) => (r.left < FEW_LEFT ? "busy" : "") },
], 1, "Bybit has named no limit yet.");

const failures = new Table("failures", [
  { title: "endpoint", value: (r) => r.name, text: (r) => r.name, isDown: false },
  { title: "ended with", value: (r) => r.outcome, text: (r) => r.outcome.replaceAll("_", " "), isDown: false },
  { title: "calls", value: (r) => r.count, text: (r) => number(r.count), kind: () => "bad" },
], 2, "No call has failed.");

function secondsOf(found) { return found ? found.seconds + (found.bound === ">" ? 1e-9 : 0) : -1; }
function mean(times) { return times && times.count > 0 ? times.sum / times.count : null; }

// --- what is shown ---------------------------------------------------------------------------

function show() {
  const reading = past.last;
  if (!reading) return;
  const names = reading.exchanges.map((each) => each.exchange);
  if (!names.includes(chosen)) chosen = names[0];
  fill("exchanges", ...(names.length > 1 ? names.map(tab) : []));
  const now = named(reading, chosen);
  if (!now) return;
  const base = past.base(WINDOWS[windowIndex][1]);
  const then = base && named(base, chosen);
  showTiles(now, then, base ? reading.time - base.time : null);
  showPool(now);
  showLatency(now, then);
  showLimits(now, then);
  showErrors(now, then);
  if (failedSince === null) showState(now, then);
}

function tab(name) {
  const made = element("button", { type: "button", "aria-pressed": String(name === chosen) }, name);
  made.addEventListener("click", () => { chosen = name; show(); });
  return made;
}

function showState(now, then) {
  const calls = callsOf(now) - callsOf(then), failed = failuresOf(now) - failuresOf(then);
  if (now.ban.is_banned) {
    say("bad", `shut out by Bybit, next try in ${duration(now.ban.remaining_seconds)}`);
  } else if (isPaused) say("", "paused");
  else if (calls && failed / calls > MANY_FAIL) say("bad", `${(100 * failed / calls).toFixed(0)} % of the calls fail`);
  else if (now.pool.waiting > 0) say("busy", "calls wait for a connection");
  else say("good", "all is well");
}

function say(kind, text) { byId("state").className = kind; byId("state").textContent = text; }

function showTiles(now, then, seconds) {
  const calls = callsOf(now) - callsOf(then), failed = failuresOf(now) - failuresOf(then);
  const times = less(timesOf(now), then && timesOf(then));
  const offset = now.clock_offset_seconds;
  const perSecond = (a, b, t) => (t > 0 ? (callsOf(a) - callsOf(b)) / t : null);
  const meanLine = (a, b) => mean(less(timesOf(a), b && timesOf(b)));
  fill("tiles",
    tile(seconds ? "calls a second" : "calls", number(seconds ? calls / seconds : calls), "", "", past.series(chosen, perSecond)),
    tile("p50 latency", bounded(quantile(times, 0.5)), `mean ${duration(mean(times))}`, "", past.series(chosen, meanLine)),
    tile("p99 latency", bounded(quantile(times, 0.99)), `${number(times.count)} calls`, "",
      past.series(chosen, (a, b) => secondsOr(quantile(less(timesOf(a), b && timesOf(b)), 0.99)))),
    tile("failed calls", number(failed), calls ? `${(100 * failed / calls).toFixed(1)} % of ${number(calls)}` : "no calls",
      failed ? "bad" : "", past.series(chosen, (a, b) => failuresOf(a) - failuresOf(b))),
    tile("waiting calls", number(now.pool.waiting), `connections in use: ${number(now.pool.active)}`,
      now.pool.waiting ? "busy" : "", past.series(chosen, (a) => a.pool.waiting)),
    tile("clock offset", offset === null ? "–" : `${offset < 0 ? "−" : "+"}${duration(Math.abs(offset))}`,
      offset === null ? "not known yet" : "Bybit's less ours", Math.abs(offset) > DRIFT ? "bad" : "",
      past.series(chosen, (a) => (a.clock_offset_seconds === null ? null : Math.abs(a.clock_offset_seconds)))),
  );
}

function secondsOr(found) { return found ? found.seconds : null; }

function tile(title, value, note, kind, line) {
  return element("div", { class: `tile ${kind}`.trim() },
    element("span", {}, title), element("b", {}, value), element("small", {}, note || "\u00a0"),
    sparkline(line, `${title}, 5 minutes`));
}

function showPool(now) {
  fill("hosts", ...(now.hosts.length ? now.hosts.map(hostBar) : [element("p", { class: "legend" }, "No connection yet.")]));
  const pool = now.pool, all = pool.created + pool.reused;
  const closed = Object.entries(pool.closed).map(([reason, count]) => `${number(count)} ${reason}`).join(", ");
  facts("poolfacts", [
    ["in all", `${number(pool.active + pool.idle)} open of ${number(pool.limit)} allowed`],
    ["opened", number(pool.created)],
    ["reused", all ? `${number(pool.reused)} (${(100 * pool.reused / all).toFixed(1)} % of the calls)` : "0"],
    ["closed", closed || "none"],
    ["queued", `${number(pool.waits.count)} calls, ${duration(mean(pool.waits))} on average`],
    ["names", `${number(now.dns.hit || 0)} from the cache, ${number(now.dns.miss || 0)} looked up, ${number(now.dns.stale || 0)} stale`],
  ]);
}

function hostBar(host) {
  const share = (count, kind) => {
    const made = element("i", { class: kind });
    made.style.width = `${100 * count / host.limit}%`;
    return made;
  };
  const figures = `${number(host.active)} active · ${number(host.idle)} idle · ${number(host.waiting)} waiting · limit ${number(host.limit)}`;
  return element("div", { class: "host" },
    element("div", {}, element("b", {}, host.host), element("span", {}, figures)),
    element("div", { class: "bar", role: "img", "aria-label": figures }, share(host.active, "active"), share(host.idle, "idle")),
    element("div", { class: "bar queue" }, share(Math.min(host.waiting, host.limit), "waiting")));
}

function showLatency(now, then) {
  const wanted = byId("filter").value.trim().toLowerCase();
  endpoints.none = wanted ? "No endpoint of that name." : "No call yet.";
  endpoints.show(now.endpoints.filter((each) => each.endpoint.toLowerCase().includes(wanted)).map((each) => {
    const times = less(each.seconds, timesAt(then, each.endpoint));
    const line = past.series(chosen, (a, b) => {
      const at = timesAt(a, each.endpoint);
      return at ? mean(less(at, timesAt(b, each.endpoint))) : null;
    });
    return { name: each.endpoint, times, line, p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
  }));
}

function showLimits(now, then) {
  const waits = less(now.limits.waits, then && then.limits.waits);
  facts("limitfacts", [
    ["held back", `${duration(waits.sum)} in sum, ${duration(mean(waits))} a call`],
    ["address", now.ban.is_banned ? `shut out, next try in ${duration(now.ban.remaining_seconds)}` : "welcome", now.ban.is_banned ? "bad" : ""],
  ]);
  remaining.show(Object.entries(now.limits.remaining).map(([name, left]) => ({ name, left })));
}

function showErrors(now, then) {
  const before = (name, outcome) => {
    const found = then && then.endpoints.find((each) => each.endpoint === name);
    return (found && found.outcomes[outcome]) || 0;
  };
  failures.show(now.endpoints.flatMap((each) => Object.entries(each.outcomes)
    .filter(([outcome]) => outcome !== "ok")
    .map(([outcome, count]) => ({ name: each.endpoint, outcome, count: count - before(each.endpoint, outcome) }))
    .filter((row) => row.count > 0)));
  const again = Object.entries(now.retries)
    .map(([reason, count]) => [reason, count - ((then && then.retries[reason]) || 0)])
    .filter(([, count]) => count > 0).map(([reason, count]) => `${number(count)} ${reason.replaceAll("_", " ")}`);
  facts("retries", [["retries", again.join(", ") || "none"]]);
}

// --- what is read ----------------------------------------------------------------------------

async function read() {
  try {
    const answer = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    past.add(await answer.json());
    failedSince = null;
    show();
  } catch (error) {
    if (failedSince === null) failedSince = performance.now();
    say("bad", `no answer for ${duration((performance.now() - failedSince) / 1000)}: has the program ended?`);
    console.info(error);
  }
}

async function follow() {
  if (!isPaused) await read();
  setTimeout(follow, EVERY);
}

// --- what is clicked -------------------------------------------------------------------------

function setTheme(theme) {
  if (theme === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", theme);
  byId("theme").textContent = theme;
  try { localStorage.setItem("bybit_sync.theme", theme); } catch { /* kept for this page only */ }
}

byId("theme").addEventListener("click", () => {
  setTheme(THEMES[(THEMES.indexOf(byId("theme").textContent) + 1) % THEMES.length]);
});
byId("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  byId("pause").setAttribute("aria-pressed", String(isPaused));
  byId("pause").textContent = isPaused ? "go on" : "pause";
  show();
});
byId("window").addEventListener("click", () => {
  windowIndex = (windowIndex + 1) % WINDOWS.length;
  byId("window").textContent = WINDOWS[windowIndex][0];
  show();
});
byId("filter").addEventListener("input", show);

try { setTheme(THEMES.includes(localStorage.getItem("bybit_sync.theme")) ? localStorage.getItem("bybit_sync.theme") : "auto"); } catch { setTheme("auto"); }
follow();

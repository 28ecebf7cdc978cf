// @ts-check
// The first page: fills what the server has drawn again from live.json, with the same texts as views.py.

import { Counter } from "./counter.js";
import { fill, put, rows, when } from "./dom.js";
import { oldParts, poll } from "./live.js";
import { UNKNOWN, ago, line, moment, money, number, prize, say, tier } from "./words.js";

const SPOKEN_MS = 30000;
const AGES_MS = 1000;
const COUNTED_ON_SECONDS = 15; // three rounds

/** @type {Record<string, any> | undefined} */
let figures;
let skew = 0; // the server's clock less ours
let lastState = "";
const counter = new Counter((total) => {
  const text = number(total);
  for (const element of document.querySelectorAll('[data-v="count"]')) {
    put(element, text);
    element.setAttribute("data-digits", String(text.length));
  }
  milestones(total);
});

/** @param {Record<string, any>} found */
function show(found) {
  figures = found;
  skew = Date.parse(found.at) - Date.now();
  const { count, velocity, comps_paid: paid } = found;
  if (count) {
    const age = (Date.parse(found.at) - Date.parse(count.as_of)) / 1000;
    counter.set(count.total, count.per_second, Math.min(age, COUNTED_ON_SECONDS), COUNTED_ON_SECONDS);
    milestones(Math.max(counter.shown, count.total));
  } else {
    fill(document, { count: UNKNOWN });
    milestones(null);
  }
  fill(document, {
    per_minute: number(velocity?.per_minute),
    per_hour: number(velocity?.per_hour),
    peak: number(velocity?.peak_per_minute),
    paid_amount: paid ? money(paid.amount) : UNKNOWN,
    paid_count: paid ? say("comps_paid_count", { count: paid.count }) : "",
    tins_this_month: number(found.tins_this_month),
    tins_per_month: number(found.tins_per_month),
  });
  rows("treasuries", found.treasuries ?? [], treasury);
  rows("feed", found.feed, wins);
  badge(found.reconciliation);
  moments(found);
  ages();
}

/** @param {number | null} total */
function milestones(total) {
  rows("milestones", total === null || !figures ? [] : figures.milestones, (row, given) => {
    const left = given.interval - (Number(total) % given.interval);
    fill(row, {
      prize: prize(given.prize),
      number: say("milestone_number", { number: Number(total) + left }),
      left: say("milestone_left", { count: left }),
      tier: say("milestone_tier", { tier: tier(given.tier) }),
      interval: say("milestone_interval", { count: given.interval }),
      lock: given.unlocked ? "" : say("milestone_locked", { tins: given.tins_per_month, needed: given.needed }),
    });
    const lock = row.querySelector(".lock");
    if (lock instanceof HTMLElement) lock.hidden = given.unlocked;
    const bar = row.querySelector("progress");
    if (bar) [bar.max, bar.value] = [given.interval, given.interval - left];
  });
}

/** @param {HTMLElement} row @param {Record<string, any>} given */
function treasury(row, given) {
  const digits = given.address.replace(/^0x/, "").match(/.{1,4}/g) ?? [];
  fill(row, {
    name: say(`treasury_${given.treasury}`),
    balance: money(given.balance),
    address: ["0x", ...digits].join(" "),
    block: say("treasury_block", { number: given.block_number }),
  });
  row.querySelector("[data-href]")?.setAttribute("href", given.explorer_url);
  when(row, figures?.moments.treasuries?.as_of);
}

/** @param {HTMLElement} row @param {Record<string, any>} given */
function wins(row, given) {
  fill(row, { text: line(given.code, given.params, given.text) });
  row.setAttribute("data-kind", given.kind);
  when(row, given.happened_at);
}

/** @param {Record<string, any> | null} given */
function badge(given) {
  const element = document.querySelector("[data-badge]");
  if (!element) return;
  element.setAttribute("data-state", given?.badge ?? "pending");
  const difference = given?.difference ?? null;
  fill(element, {
    badge_text: say(given ? `badge_${given.badge}` : "badge_unknown"),
    badge_detail: difference === null ? "" : say("badge_difference", { amount: money(difference) }),
  });
  when(element, given?.last_run_at);
}

/** @param {Record<string, any>} found */
function moments(found) {
  const old = oldParts(found);
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-asof]"))) {
    const name = element.dataset.asof ?? "";
    const at = found.moments[name]?.as_of;
    element.hidden = !at;
    element.classList.toggle("old", old.includes(name));
    const word = element.querySelector("[data-old]");
    if (word instanceof HTMLElement) word.hidden = !old.includes(name);
    when(element, at);
  }
}

/** Say of each moment how long ago it was. */
function ages() {
  const now = Date.now() + skew;
  for (const time of document.querySelectorAll("time")) {
    if (!time.dateTime) {
      put(time, "");
      continue;
    }
    put(time, ago(time.dateTime, now));
    time.title = moment(time.dateTime);
  }
}

/** @param {import("./live.js").State} state */
function tell(state) {
  if (state === lastState) return;
  lastState = state;
  document.querySelector("[data-status]")?.setAttribute("data-state", state);
  fill(document, { status: say(`status_${state}`) });
}

function speak() {
  if (counter.shown >= 0) fill(document, { count_spoken: say("count_spoken", { count: counter.shown }) });
}

ages();
poll(show, tell);
setInterval(() => { if (!document.hidden) ages(); }, AGES_MS);
setInterval(speak, SPOKEN_MS);

// @ts-check
// The numbers that could win: a list page by page, or one number. Both are read from the API.

import { h } from "./dom.js";
import { ago, language, line, moment, money, number, prize, say } from "./words.js";

const PAGE = 20;
const LOADING_AFTER_MS = 300;

const list = /** @type {HTMLElement} */ (document.querySelector("[data-awards]"));
const note = /** @type {HTMLElement} */ (document.querySelector("[data-note]"));
const told = /** @type {HTMLElement} */ (document.querySelector("[data-told]"));
const more = /** @type {HTMLButtonElement} */ (document.querySelector("[data-more]"));
const single = /** @type {HTMLElement | null} */ (document.querySelector("[data-number]"))?.dataset.number;
/** @type {string | null} */
let cursor = null;
let shown = 0;
let isAsking = false;

async function read() {
  if (isAsking) return;
  isAsking = true;
  more.setAttribute("aria-disabled", "true");
  const loading = setTimeout(() => remark(say("loading")), LOADING_AFTER_MS);
  try {
    const answer = await fetch(address());
    if (!answer.ok) throw new Error(String(answer.status));
    const page = await answer.json();
    clearTimeout(loading);
    add(page.items, page.next_cursor ?? null);
  } catch {
    clearTimeout(loading);
    const retry = h("button", { type: "button" }, say("retry"));
    retry.addEventListener("click", () => void read());
    remark(say(navigator.onLine === false ? "refused_offline" : "refused"), retry);
  } finally {
    isAsking = false;
    more.setAttribute("aria-disabled", "false");
  }
}

function address() {
  if (single) return `/v1/insights/awards/${single}`;
  return `/v1/insights/awards?limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`;
}

/** @param {Record<string, any>[]} items @param {string | null} next */
function add(items, next) {
  const first = shown > 0 ? items[0] : undefined;
  const made = items.map(row);
  list.append(...made);
  cursor = next;
  shown += items.length;
  more.hidden = next === null;
  if (shown === 0) remark(say(single ? "award_none" : "awards_empty"));
  else {
    note.hidden = true;
    told.textContent = say("awards_shown", { count: shown });
  }
  if (first) /** @type {HTMLElement | null} */ (made[0].querySelector("h2 a, h2[tabindex]"))?.focus();
}

/** @param {string} text @param {...Node} beside */
function remark(text, ...beside) {
  note.replaceChildren(text, " ", ...beside);
  note.hidden = false;
  told.textContent = text;
}

/** @param {Record<string, any>} award */
function row(award) {
  const name = prize(award.prize);
  const heading = single
    ? h("h2", { tabindex: "-1" }, name)
    : h("h2", {}, h("a", { href: `/${language}/awards/${award.number}` }, say("milestone_number", { number: award.number })));
  const verdict = award.awarded ? say("award_won") : say("award_not_won");
  const why = award.awarded ? [] : [`: ${line(award.code, award.params, award.reason)}`];
  const at = h("time", { datetime: award.reached_at, title: moment(award.reached_at) }, ago(award.reached_at, Date.now()));
  return h(
    "li",
    { class: award.awarded ? "award won" : "award" },
    h("div", {}, heading, ...(single ? [] : [h("p", {}, name)])),
    h("div", {}, h("p", { class: "verdict" }, verdict, ...why), h("p", {}, say("award_reached"), " ", at)),
    h("div", { class: "paid" }, ...paid(award, name), h("p", {}, say("award_volume", { number: award.tins_per_month }))),
  );
}

/** @param {Record<string, any>} award @param {string} name */
function paid(award, name) {
  if (award.state === null || award.amount === 0) return [];
  if (award.state === "cancelled") return [h("p", {}, say("award_cancelled"))];
  if (award.state === "pending") return [h("p", {}, say("award_pending"))];
  const link = h(
    "a",
    { href: award.explorer_url, rel: "noopener", "aria-label": say("award_transaction", { number: award.number, prize: name }) },
    say("award_transaction_short"),
  );
  return [h("p", {}, say("award_paid", { amount: money(String(award.amount)) }), " · ", link)];
}

document.querySelector("[data-find]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget)).get("number");
  if (/^[1-9][0-9]{0,17}$/.test(String(wanted))) location.assign(`/${language}/awards/${wanted}`);
});
more.addEventListener("click", () => void read());
void read();

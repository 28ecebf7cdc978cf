// @ts-check
// What the page says in its language, and how it writes figures; functions/pages/words.py and views.py do the same.

const given = JSON.parse(document.getElementById("words")?.textContent ?? "{}");
const LOCALES = { en: "en-US", es: "es-US", pt: "pt-BR" };

/** @type {"en" | "es" | "pt"} */
export const language = given.language;
const locale = LOCALES[language];
const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const plurals = new Intl.PluralRules(locale);
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "always" });
const absolute = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short" });
const inUtc = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });

export const UNKNOWN = "–";
const STEPS = /** @type {const} */ ([["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]]);

/** A whole number with its separators; a dash for one that is not known. @param {number | null | undefined} value */
export function number(value) {
  return value === null || value === undefined ? UNKNOWN : whole.format(value);
}

/** An amount of USDT, which is text with exact decimals and may be longer than a number can be. @param {string} amount */
export function money(amount) {
  const [units, decimals = ""] = amount.replace("-", "").split(".");
  const sign = amount.startsWith("-") ? "-" : "";
  const rest = /^0*$/.test(decimals) ? "" : (language === "pt" ? "," : ".") + decimals.padEnd(2, "0");
  const text = sign + whole.format(BigInt(units)) + rest;
  return language === "pt" ? `US$\u00a0${text}` : `$${text}`;
}

/** A message with its values. @param {string} name @param {Record<string, string | number>} [values] */
export function say(name, values = {}) {
  const message = given.messages[name];
  const text = typeof message === "string" ? message : message[plurals.select(Number(values.count))] ?? message.other;
  return text.replace(/\{(\w+)\}/g, (/** @type {string} */ _, /** @type {string} */ key) => written(values[key]));
}

/** A line of the server's in this language; its own English text if there are no words for it.
 * @param {string | null} code @param {Record<string, string | number>} params @param {string} english */
export function line(code, params, english) {
  const text = code === null ? undefined : given.lines[code];
  return text === undefined
    ? english
    : text.replace(/\$(\w+)/g, (/** @type {string} */ _, /** @type {string} */ key) => parameter(key, params[key]));
}

/** A prize's name as the beginning of a line. @param {string} kind */
export function prize(kind) {
  const name = given.prizes[kind] ?? kind;
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** @param {string} name */
export function tier(name) {
  return given.tiers[name] ?? name;
}

/** How long ago a moment was. @param {string} at @param {number} now */
export function ago(at, now) {
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1000));
  const [unit, size] = STEPS.find(([, length]) => seconds >= length) ?? STEPS[3];
  return seconds < 5 ? say("now") : relative.format(-Math.floor(seconds / size), unit);
}

/** A moment where the reader is, and in UTC. @param {string} at */
export function moment(at) {
  const date = new Date(at);
  return `${absolute.format(date)} (${inUtc.format(date)} UTC)`;
}

/** @param {string | number} value */
function written(value) {
  return typeof value === "number" ? number(value) : String(value);
}

/** @param {string} name @param {string | number} value */
function parameter(name, value) {
  if (name === "amount" || name === "value") return money(String(value));
  if (name === "prize") return given.prizes[value] ?? String(value);
  return name === "tier" ? tier(String(value)) : written(value);
}

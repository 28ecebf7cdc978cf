// @ts-check
// Asks for live.json again and again while somebody looks, and says in which state the figures are.

const EACH_MS = 5000;
const PAUSE_MS_MAX = 30000;
const LOADING_AFTER_MS = 300;
const ASK_MS_MAX = 8000;
const AGEING = ["count", "feed"]; // once one of these is old, the whole page is

/** @typedef {"loading" | "live" | "old" | "offline" | "refused"} State */
/** @typedef {Record<string, any>} Figures */

/** Poll until the page ends; `show` gets each new version, `tell` each state.
 * @param {(figures: Figures) => void} show @param {(state: State) => void} tell */
export function poll(show, tell) {
  let failures = 0;
  let isAsking = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const loading = setTimeout(() => { if (isAsking && failures === 0) tell("loading"); }, LOADING_AFTER_MS);

  async function ask() {
    clearTimeout(timer);
    if (isAsking || document.hidden) return;
    isAsking = true;
    try {
      const answer = await fetch("/live.json", { signal: AbortSignal.timeout(ASK_MS_MAX) });
      if (!answer.ok) throw new Error(String(answer.status));
      const figures = await answer.json();
      failures = 0;
      show(figures);
      tell(isOld(figures) ? "old" : "live");
    } catch {
      failures += 1;
      tell(navigator.onLine === false ? "offline" : "refused");
    } finally {
      clearTimeout(loading);
      isAsking = false;
      timer = setTimeout(ask, Math.min(EACH_MS * 2 ** Math.min(failures, 3), PAUSE_MS_MAX));
    }
  }

  document.addEventListener("visibilitychange", () => void ask());
  addEventListener("online", () => void ask());
  addEventListener("offline", () => tell("offline"));
  void ask();
}

/** The names of the parts that are older than they should be, by the server's clock. @param {Figures} figures */
export function oldParts(figures) {
  const now = Date.parse(figures.at);
  return Object.entries(figures.moments)
    .filter(([, each]) => Date.parse(each.old_from) <= now)
    .map(([name]) => name);
}

/** @param {Figures} figures */
function isOld(figures) {
  return oldParts(figures).some((name) => AGEING.includes(name));
}

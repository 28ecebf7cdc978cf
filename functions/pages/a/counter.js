// @ts-check
// The count between two versions: it goes on by the pace that the server has told, and never back.

const QUIET = matchMedia("(prefers-reduced-motion: reduce)");

export class Counter {
  /** @param {(total: number) => void} show */
  constructor(show) {
    this.show = show;
    this.shown = -1;
    this.total = 0;
    this.perSecond = 0;
    this.since = 0;
    this.until = 0;
    this.waiting = 0;
  }

  /** Go on from a new version. `age` is how old it is in seconds, `life` for how many more it may be counted on.
   * @param {number} total @param {number} perSecond @param {number} age @param {number} life */
  set(total, perSecond, age, life) {
    this.total = total;
    this.perSecond = perSecond;
    this.since = performance.now() - age * 1000;
    this.until = performance.now() + life * 1000;
    this.draw();
    this.go();
  }

  now() {
    const at = Math.min(performance.now(), this.until);
    const counted = QUIET.matches ? 0 : Math.max(0, Math.floor(((at - this.since) / 1000) * this.perSecond));
    return this.total + counted;
  }

  draw() {
    const total = Math.max(this.shown, this.now());
    if (total !== this.shown) {
      this.shown = total;
      this.show(total);
    }
  }

  go() {
    cancelAnimationFrame(this.waiting);
    if (this.perSecond <= 0 || QUIET.matches) return;
    const step = () => {
      if (document.hidden || performance.now() > this.until) return;
      this.draw();
      this.waiting = requestAnimationFrame(step);
    };
    this.waiting = requestAnimationFrame(step);
  }
}

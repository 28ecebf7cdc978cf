// @ts-check
// Changes the page without ever reading text as HTML.

/** An element with attributes and children. @param {string} tag @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children */
export function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Put texts into the elements that name them in data-v. @param {ParentNode} root @param {Record<string, unknown>} texts */
export function fill(root, texts) {
  for (const [name, text] of Object.entries(texts)) {
    if (typeof text !== "string") continue;
    for (const element of root.querySelectorAll(`[data-v="${name}"]`)) put(element, text);
  }
}

/** @param {Element} element @param {string} text */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Make the rows of a list those of `items`: rows that are there are filled again, others are made of the template.
 * @template Item @param {string} name @param {Item[]} items @param {(row: HTMLElement, item: Item) => void} show */
export function rows(name, items, show) {
  const list = document.querySelector(`[data-list="${name}"]`);
  const template = document.getElementById(`row-${name}`);
  if (!list || !(template instanceof HTMLTemplateElement)) return;
  const there = /** @type {HTMLElement[]} */ ([...list.querySelectorAll(":scope > [data-row]")]);
  items.forEach((item, place) => {
    let row = there[place];
    if (!row) {
      row = /** @type {HTMLElement} */ (/** @type {DocumentFragment} */ (template.content.cloneNode(true)).firstElementChild);
      list.append(row);
    }
    show(row, item);
  });
  for (const row of there.slice(items.length)) row.remove();
  const empty = document.querySelector(`[data-empty="${name}"]`);
  if (empty instanceof HTMLElement) empty.hidden = items.length > 0;
}

/** Give a time element another moment. @param {ParentNode | null} root @param {string | null | undefined} at */
export function when(root, at) {
  const time = root?.querySelector("time");
  if (time) time.setAttribute("datetime", at ?? "");
}

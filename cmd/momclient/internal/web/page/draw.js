// Elements and their changes. All texts become text nodes, and never markup.

import * as word from './words.js';

// el makes an element. Children are elements or texts.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// The setters change the page only if the value is new.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
export function setAttr(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}
export function setStyle(node, name, value) {
  if (node.style.getPropertyValue(name) !== value) node.style.setProperty(name, value);
}
export function setHidden(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

const rowsOf = new WeakMap();

// keyed updates the children of parent, after the head of a table, to match the
// keys: it makes, removes and moves children. make returns an object with the
// node.
export function keyed(parent, keys, make, update) {
  const rows = rowsOf.get(parent) ?? new Map();
  rowsOf.set(parent, rows);
  const wanted = new Set(keys);
  for (const [key, row] of rows) {
    if (wanted.has(key)) continue;
    row.node.remove();
    rows.delete(key);
  }
  const focused = parent.contains(document.activeElement) ? document.activeElement : undefined;
  let at = parent.tHead ? parent.tHead.nextElementSibling : parent.firstElementChild;
  for (const key of keys) {
    let row = rows.get(key);
    if (!row) rows.set(key, (row = make(key)));
    if (row.node === at) at = at.nextElementSibling;
    else parent.insertBefore(row.node, at);
    update?.(row, key);
  }
  if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true }); // a node that moves loses it
}

// name returns an element that isolates a text from a job.
export const name = (text, attributes) => el('bdi', attributes, word.visible(text));
export const setName = (node, text) => setText(node, word.visible(text));

// bar returns a progress bar.
export function bar(label) {
  const fill = el('i');
  const node = el('div', { class: 'bar', role: 'progressbar', 'aria-label': label, 'aria-valuemin': 0, 'aria-valuemax': 100 }, fill);
  return {
    node,
    set(fraction, standing, known = true) {
      setStyle(fill, 'width', `${((fraction ?? 0) * 100).toFixed(2)}%`);
      if (known) setAttr(node, 'aria-valuenow', Math.floor((fraction ?? 0) * 100));
      else node.removeAttribute('aria-valuenow');
      setAttr(node, 'data-standing', standing);
    },
  };
}

// timeOf returns an element for a time, whose tooltip has the date and the zone.
export function timeOf(attributes) {
  const node = el('time', attributes);
  return {
    node,
    set(time, text) {
      setText(node, text);
      if (node.dateTime === (time ?? '')) return;
      node.dateTime = time ?? '';
      node.title = time ? word.full(time) : '';
    },
  };
}

// A line of a log.

import { el, keyed, name, setAttr } from './draw.js';
import { jobHref } from './route.js';
import { nameOf, several } from './servers.js';
import * as word from './words.js';

// logKeys returns the keys of the entries in the state, the newest first. A key is
// log/SERVER/NUMBER.
export function logKeys(state) {
  const all = [];
  for (const [key, e] of state) if (key.startsWith('log/')) all.push([key, Date.parse(e.time), e.number]);
  return all.sort((a, b) => b[1] - a[1] || b[2] - a[2]).map(([key]) => key);
}

const serverOf = (key) => Number(key.split('/')[1]);

// grouped returns the lines of the log, the newest first. A repeated entry of a job has
// one line, with the key of the last one and how often it was logged. What the entries
// have in common identifies the line.
export function grouped(state) {
  const lines = new Map();
  for (const key of logKeys(state)) {
    const e = state.get(key);
    const same = [serverOf(key), e.severity, e.jobID, e.item, e.message].join('\0');
    if (lines.has(same)) lines.get(same).times++;
    else lines.set(same, { key, times: 1 });
  }
  return lines;
}

// drawLines draws entries of grouped in a list. The focus stays on the link of a line
// that is repeated.
export function drawLines(list, entries, state, now) {
  const lines = new Map(entries);
  keyed(list, [...lines.keys()], () => ({ node: el('li') }), (row, same) => {
    const { key, times } = lines.get(same);
    if (row.key === key && row.times === times) return;
    Object.assign(row, { key, times });
    const { node } = logRow(key, state.get(key), now, false, times), focused = row.node.contains(document.activeElement);
    for (const { name, value } of node.attributes) setAttr(row.node, name, value);
    row.node.replaceChildren(...node.childNodes);
    if (focused) row.node.querySelector('a')?.focus({ preventScroll: true });
  });
}

// logRow returns a line of the log, with how often it was logged. If alone is set,
// the line is on the page of its job.
export function logRow(key, e, now, alone, times = 1) {
  const where = [], server = serverOf(key);
  if (!alone) {
    if (several()) where.push(name(nameOf(server), { class: 'server' }));
    where.push(e.jobID ? el('a', { class: 'job', href: jobHref(server, e.jobID, e.runID, `log-${e.number}`) }, name(word.dryRun(e) + (e.job || e.jobID))) : el('span', { class: 'job' }, 'the stream'));
  }
  if (e.package) where.push(el('span', { class: 'number' }, `#${e.package}`));
  const what = el('span', { class: 'what' });
  if (e.item) what.append(name(e.item, { class: 'item' }), ' ');
  what.append(name(e.message, { class: 'message' }));
  if (times > 1) what.append(' ', el('span', { class: 'times', title: 'how often it was logged lately' }, `${times}×`));
  return {
    node: el('li', { class: e.severity, 'data-at': `log-${e.number}` },
      el('time', { datetime: e.time, title: word.full(e.time) }, word.clock(e.time, now)),
      el('span', { class: 'severity' }, e.severity === 'Processing' ? 'note' : e.severity.toLowerCase()),
      el('span', { class: 'where' }, ...where.flatMap((node) => [node, ' '])), what),
  };
}

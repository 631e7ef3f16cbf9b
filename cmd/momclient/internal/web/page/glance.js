// What matters most, above the list: the jobs that need attention, when all will be
// done, and the newest warnings and errors.

import { el, keyed, setAttr, setHidden, setName, setText } from './draw.js';
import { drawLines, grouped } from './logrow.js';
import { isStale } from './order.js';
import { jobHref } from './route.js';
import { nameOf, old, several } from './servers.js';
import * as word from './words.js';

const maxNamed = () => (innerWidth < 620 ? 1 : 3); // jobs in a line
const maxNewest = 3; // lines of the log

export function glance() {
  const facts = el('ul', { class: 'facts' });
  const newest = el('ol', { class: 'log', id: 'newest' });
  const all = el('a', { class: 'all', href: '#problems' });
  const news = el('div', { class: 'news' }, el('div', { class: 'head' }, el('h2', { id: 'newest-title' }, 'Newest warnings and errors'), all), newest);
  const node = el('section', { class: 'card glance', 'aria-label': 'At a glance' }, facts, news);
  all.addEventListener('click', (e) => {
    e.preventDefault(); // #problems is not a route
    const title = document.getElementById('problems-title');
    title.scrollIntoView();
    title.focus({ preventScroll: true });
  });
  return {
    node,
    // draw returns all lines of the log.
    draw(state, jobs, now) {
      const lines = [
        ...['failed', 'lost', 'errors'].map((kind) => trouble(kind, jobs, now)), late(jobs, now), load(jobs),
      ].filter(Boolean);
      if (!lines.length && jobs.length) lines.push({ key: 'fine', standing: 'succeeded', count: '', text: 'No job has failed, and each has succeeded within a day', named: [] });
      keyed(facts, lines.map((line) => line.key), makeLine, (row, key) => row.update(lines.find((line) => line.key === key)));
      const log = grouped(state);
      drawLines(newest, [...log].slice(0, maxNewest), state, now);
      setText(all, log.size > maxNewest ? `All ${log.size}` : '');
      setHidden(all, log.size <= maxNewest);
      setHidden(news, log.size === 0);
      setHidden(node, lines.length === 0 && log.size === 0);
      return log;
    },
  };
}

function makeLine() {
  const dot = el('span', { class: 'standing' }), count = el('b'), text = el('span'), jobs = el('span', { class: 'named' }), left = el('span');
  return {
    node: el('li', {}, dot, el('span', { class: 'line' }, count, text, jobs, left)),
    update(line) {
      setAttr(this.node, 'data-standing', line.standing);
      setText(count, line.count);
      setText(text, ` ${line.text}${line.named.length ? ': ' : '.'}`);
      const keys = line.named.map((one) => one.j.key);
      keyed(jobs, keys, makeNamed, (row, key) => row.update(line.named[keys.indexOf(key)], keys[0] === key));
      setText(left, line.left ? ` and ${word.count(line.left)} more` : '');
    },
  };
}

// makeNamed makes the link to a job, with what more there is to say of it. They change
// in place, because a link that is replaced loses the focus.
function makeNamed() {
  const comma = el('span'), label = el('bdi'), at = el('bdi', { class: 'soft' }), link = el('a', {}, label), more = el('span');
  return {
    node: el('span', {}, comma, link, at, more),
    update({ j, more: text }, first) {
      setText(comma, first ? '' : ', ');
      setAttr(link, 'href', jobHref(j.server, j.id));
      setName(label, j.label);
      setAttr(link, 'title', label.textContent);
      setText(at, several() ? ` ${word.visible(nameOf(j.server))}` : '');
      setText(more, text ? ` (${text})` : '');
    },
  };
}

// named returns the first jobs with what more says of each, and how many are left.
const named = (jobs, more) => ({ named: jobs.slice(0, maxNamed()).map((j) => ({ j, more: more(j) })), left: Math.max(0, jobs.length - maxNamed()) });

const words = { failed: ['failed', 'failed'], lost: ['lost', 'is lost', 'are lost'], errors: ['succeededWithErrors', 'had errors'] };

function trouble(kind, jobs, now) {
  const all = jobs.filter((j) => j.trouble === kind);
  if (!all.length) return;
  const at = (j) => Date.parse(j.past?.lastFailure?.ended ?? j.lastChange);
  all.sort((a, b) => at(b) - at(a));
  const [standing, one, many = one] = words[kind];
  return { key: kind, standing, count: word.count(all.length), text: all.length === 1 ? one : many, ...named(all, (j) => word.ago(now - at(j))) };
}

function late(jobs, now) {
  const all = jobs.filter((j) => isStale(j, now));
  if (!all.length) return;
  const last = (j) => (j.past?.lastSuccess ? Date.parse(j.past.lastSuccess) : 0);
  all.sort((a, b) => last(a) - last(b));
  return { key: 'stale', standing: 'stale', count: word.count(all.length), text: 'not succeeded for a day', ...named(all, (j) => (last(j) ? `last ${word.ago(now - last(j))}` : 'none known')) };
}

// load says how much is under way, and when it will be done.
function load(jobs) {
  const all = jobs.filter((j) => j.running && !old(j.server));
  if (!all.length) return;
  const rate = all.reduce((n, j) => n + (j.rate ?? 0), 0), rest = (j) => Math.max(0, (j.progress.bytesTotal ?? 0) - (j.progress.bytesDone ?? 0));
  const todo = all.reduce((n, j) => n + rest(j), 0);
  const largest = all.reduce((a, b) => ((b.progress.bytesTotal ?? 0) > (a.progress.bytesTotal ?? 0) ? b : a));
  const longest = all.reduce((a, b) => ((b.timeLeft ?? 0) > (a.timeLeft ?? 0) ? b : a));
  const line = { key: 'running', standing: 'running', count: word.count(all.length), text: ['running', word.rate(rate) && `at ${word.rate(rate)}`, todo ? `${word.size(todo)} to go` : ''].filter(Boolean).join(', '), named: [] };
  if (largest.progress.bytesTotal) line.named.push({ j: largest, more: [all.length > 1 ? 'the largest' : '', word.size(largest.progress.bytesTotal), largest.timeLeft ? `${word.left(largest.timeLeft)} left` : ''].filter(Boolean).join(', ') });
  if (longest.timeLeft && longest !== largest) line.named.push({ j: longest, more: `the last to end, ${word.left(longest.timeLeft)} left` });
  return line;
}

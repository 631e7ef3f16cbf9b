// The page of all jobs.

import { bar, el, keyed, logRow, setAttr, setHidden, setName, setText } from './draw.js';
import { past, receivers } from './past.js';
import * as word from './words.js';

const columns = [
  ['Job', 'name'], ['State', 'state'], ['Progress', 'progress'], ['Packages', 'n'], ['Files', 'n'], ['Bytes', 'n bytes'],
  ['Rate', 'n'], ['Left', 'n'], ['Warnings', 'n'], ['Errors', 'n'], ['Changed', 'n'],
];

export function overview(main) {
  const chosen = { standing: '', text: '' };
  const title = el('h1', { tabindex: -1, class: 'unseen' }, 'All jobs');
  const chips = el('div', { class: 'chips', role: 'group', 'aria-label': 'Show only' });
  const search = el('input', { type: 'search', placeholder: 'Filter by name', 'aria-label': 'Filter jobs by name', autocomplete: 'off', spellcheck: 'false' });
  const head = el('thead', {}, el('tr', { role: 'row' }, ...columns.map(([text, kind]) => el('th', { class: kind, scope: 'col', role: 'columnheader' }, text))));
  const table = el('table', { class: 'jobs', role: 'table', 'aria-label': 'Jobs' }, head);
  const body = el('div', { class: 'card' }, table);
  const empty = el('div', { class: 'empty' });
  const more = el('p', { class: 'soft' });
  const problems = el('ol', { class: 'log', id: 'problems' });
  const calm = el('p', { class: 'soft' }, 'No warnings, no errors.');
  const below = el('section', { 'aria-labelledby': 'problems-title' }, el('h2', { id: 'problems-title' }, 'Latest warnings and errors'), el('div', { class: 'card' }, problems, calm));
  const tools = el('div', { class: 'tools' }, chips, search);
  const told = receivers();
  main.replaceChildren(title, tools, told.node, body, empty, more, below, told.calm);
  let redraw = () => {};
  search.addEventListener('input', () => {
    chosen.text = search.value.toLowerCase();
    redraw();
  });

  for (const [standing, text] of word.standings) {
    const n = el('b', {}, '0');
    const chip = el('button', { type: 'button', class: 'chip', 'data-standing': standing, 'aria-pressed': 'false' }, n, ' ' + text);
    chip.count = n;
    chip.addEventListener('click', () => {
      chosen.standing = chosen.standing === standing ? '' : standing;
      for (const other of chips.children) setAttr(other, 'aria-pressed', other.dataset.standing === chosen.standing);
      redraw();
    });
    chips.append(chip);
  }

  return {
    title: (state) => {
      const n = state.get('counts');
      if (!n) return 'MoM';
      const said = [...word.standings].filter(([standing]) => n[standing] && standing !== 'succeeded').map(([standing, text]) => `${n[standing]} ${text}`);
      return [said.join(', '), 'MoM'].filter(Boolean).join(' · ');
    },
    focus: () => title.focus({ preventScroll: true }),
    draw(state, now) {
      redraw = () => this.draw(state, Date.now());
      const order = state.get('order') ?? [];
      const counts = state.get('counts') ?? {};
      for (const chip of chips.children) {
        const n = counts[chip.dataset.standing] ?? 0;
        setText(chip.count, String(n));
        setHidden(chip, n === 0 && chosen.standing !== chip.dataset.standing && chip.dataset.standing !== 'running');
      }
      const shown = order.filter((id) => {
        const j = state.get('job/' + id);
        return j && (!chosen.standing || word.standing(j.run) === chosen.standing) && (!chosen.text || (j.name || j.id).toLowerCase().includes(chosen.text));
      });
      keyed(table, shown, makeJob, (row, id) => row.update(state.get('job/' + id), state.get('past/' + id), now));
      table.classList.toggle('dense', shown.length > 12);
      setHidden(body, shown.length === 0);
      setHidden(tools, order.length === 0);
      setHidden(search, order.length < 8 && !chosen.text);
      drawEmpty(empty, order.length, shown.length, state.get('connection'));
      const forgotten = state.get('forgotten') ?? 0;
      setText(more, forgotten ? `${word.plural(forgotten, 'job')} forgotten, because they ended longer ago.` : '');
      const log = grouped(state);
      keyed(problems, [...log.keys()], (key) => logRow(state.get(key), now, false, log.get(key)));
      setHidden(calm, log.size > 0);
      setHidden(problems, log.size === 0);
      setHidden(below, order.length === 0 && log.size === 0);
      told.draw(state.get('receivers') ?? [], now);
    },
  };
}

// grouped returns the keys of the lines of the log, the newest first, with how
// often each was logged, so that a repeated entry of a job has one line.
function grouped(state) {
  const keys = [...state.keys()].filter((key) => key.startsWith('log/')).sort((a, b) => b.slice(4) - a.slice(4));
  const first = new Map(), times = new Map();
  for (const key of keys) {
    const e = state.get(key);
    const same = [e.severity, e.jobID, e.item, e.message].join('\0');
    if (!first.has(same)) first.set(same, key);
    times.set(first.get(same), (times.get(first.get(same)) ?? 0) + 1);
  }
  return times;
}

function makeJob(id) {
  const link = el('a', { href: `#/job/${id}` });
  const label = el('bdi');
  link.append(label);
  const paths = el('span', { class: 'paths soft' });
  const dot = el('span', { class: 'standing' });
  const progress = bar('Progress');
  const done = el('span', { class: 'done' });
  const cell = (kind, ...children) => el('td', { class: kind, role: 'cell' }, ...children);
  const cells = columns.slice(3).map(([text, kind]) => el('td', { class: kind, role: 'cell', 'data-label': text.toLowerCase() }));
  const row = el('tr', { role: 'row' },
    el('th', { class: 'name', scope: 'row', role: 'rowheader' }, link, paths), cell('state', dot), cell('progress', progress.node, done), ...cells);
  const flights = el('ul', { class: 'flights', 'aria-label': 'Packages in flight' });
  const under = el('tr', { class: 'under', role: 'row' }, el('td', { colspan: columns.length, role: 'cell' }, flights));
  const before = past();
  const history = el('tr', { class: 'history', role: 'row' }, el('td', { colspan: columns.length, role: 'cell' }, before.node));
  const node = el('tbody', { role: 'rowgroup' }, row, under, history);
  let drawn;
  return {
    node,
    update(j, summary, now) {
      const r = j.run, p = r.progress;
      before.draw(summary, now);
      setHidden(history, !summary);
      setText(cells[7], word.age(now - Date.parse(r.lastChange)));
      if (drawn === j) return;
      drawn = j;
      setAttr(node, 'data-standing', word.standing(r));
      setName(label, word.dryRun(r) + (j.name || j.id));
      setAttr(progress.node, 'aria-label', `Progress of ${word.visible(j.name || j.id)}`);
      const way = [r.sourcePath, r.destinationPath].filter(Boolean).map(word.visible).join(' → ');
      setText(paths, way);
      setAttr(paths, 'title', way);
      setText(dot, word.runWord(r));
      progress.set(r.fraction, word.standing(r), r.known);
      setText(done, word.percent(r));
      const texts = [
        word.countOf(p.packagesDone, p.packagesTotal), word.countOf(p.filesDone, p.filesTotal), word.sizeOf(p.bytesDone, p.bytesTotal),
        word.rate(r.rate), word.left(r.timeLeft), p.warnings ? word.count(p.warnings) : '', p.errors ? word.count(p.errors) : '',
      ];
      texts.forEach((text, i) => setText(cells[i], text));
      setAttr(cells[5], 'data-label', p.warnings === 1 ? 'warning' : 'warnings');
      setAttr(cells[6], 'data-label', p.errors === 1 ? 'error' : 'errors');
      setAttr(cells[5], 'data-bad', p.warnings ? 'warning' : '');
      setAttr(cells[6], 'data-bad', p.errors ? 'error' : '');
      const numbers = r.inFlight.map((pack) => pack.number), scans = word.scans(r);
      setHidden(under, numbers.length === 0 && !scans);
      keyed(flights, scans ? ['scan'] : r.moreInFlight ? [...numbers, 'more'] : numbers, makeFlight, (flight, key) => {
        if (key === 'scan') setName(flight.node, word.scanned(r));
        else if (key === 'more') setText(flight.node, `and ${r.moreInFlight} more`);
        else flight.update(r.inFlight[numbers.indexOf(key)]);
      });
    },
  };
}

function makeFlight(key) {
  if (key === 'more' || key === 'scan') return { node: el('li', { class: 'soft' }) };
  const progress = bar(`Package ${key}`);
  const state = el('span', { class: 'state' }), done = el('span', { class: 'bytes' }), item = el('bdi', { class: 'item' });
  return {
    node: el('li', {}, el('span', { class: 'number' }, `#${key}`), state, progress.node, done, item),
    update(p) {
      setText(state, word.packageWord(p));
      progress.set(p.fileSize > 0 ? Math.min(1, p.received / p.fileSize) : 0, 'running', p.fileSize > 0);
      setText(done, word.sizeOf(p.received, p.fileSize));
      setName(item, p.item ?? '');
    },
  };
}

function drawEmpty(node, jobs, shown, connection) {
  setHidden(node, shown > 0 || !connection);
  if (!connection) return;
  let head = 'No job matches', text = 'No job has this name and state. Remove the filter to see all jobs.';
  if (jobs === 0 && connection.connected) {
    head = 'No job yet';
    text = `Connected to ${word.visible(connection.server)}. A job appears here as soon as it begins.`;
  } else if (jobs === 0) {
    head = 'Waiting for the server';
    text = `${word.visible(connection.server || 'The server')} has not answered yet. Is momserver running there? The monitor goes on trying.`;
  }
  if (node.textContent !== head + text) node.replaceChildren(el('h2', {}, head), el('p', {}, text));
}

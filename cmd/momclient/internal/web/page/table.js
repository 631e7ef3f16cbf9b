// The list of jobs: a table, whose rows have fixed columns.

import { bar, el, keyed, setAttr, setHidden, setName, setText, timeOf } from './draw.js';
import { columns, nextSort, parseSort, took } from './order.js';
import { trendChart } from './past.js';
import { jobHref } from './route.js';
import { nameOf, old, several, shortOf } from './servers.js';
import * as word from './words.js';

export const maxRoomy = 12; // rows with their packages and paths; as in state.go

// table returns the table. sorted is called with the sort that a click asks for.
export function table(sorted) {
  const headings = new Map();
  const head = el('tr', { role: 'row' }, ...columns.map((c) => {
    const button = el('button', { type: 'button', title: c.title ?? `Sort by ${c.text.toLowerCase()}` }, c.text);
    const node = el('th', { class: c.key, scope: 'col', role: 'columnheader' }, button);
    headings.set(c, node);
    button.addEventListener('click', () => sorted(nextSort(node.sort ?? '', c)));
    return node;
  }));
  const node = el('table', { class: 'jobs', role: 'table', 'aria-label': 'Jobs' }, el('thead', { role: 'rowgroup' }, head));
  return {
    node,
    draw(jobs, total, sort, now) {
      const by = parseSort(sort);
      for (const [c, heading] of headings) {
        heading.sort = by?.column === c ? sort : '';
        if (by?.column === c) setAttr(heading, 'aria-sort', by.down ? 'descending' : 'ascending');
        else heading.removeAttribute('aria-sort');
      }
      node.classList.toggle('dense', total > maxRoomy);
      node.classList.toggle('many', total > 4 * maxRoomy);
      node.classList.toggle('several', several());
      const of = new Map(jobs.map((j) => [j.key, j]));
      keyed(node, [...of.keys()], makeRow, (row, key) => row.update(of.get(key), total > maxRoomy, now));
    },
  };
}

// cellsOf returns the cells of the columns, by key.
function cellsOf() {
  const all = {};
  for (const c of columns) all[c.key] = el(c.key === 'job' ? 'th' : 'td', { class: c.key, role: c.key === 'job' ? 'rowheader' : 'cell', 'data-label': c.text.toLowerCase() });
  all.job.scope = 'row';
  return all;
}

function makeRow() {
  const cells = cellsOf();
  const label = el('bdi'), link = el('a', {}, label), paths = el('span', { class: 'paths soft' });
  cells.job.append(link, el('span', { class: 'at soft' }), paths);
  const at = cells.job.querySelector('.at');
  const dot = el('span', { class: 'standing' });
  const outdated = el('small', {}, 'out of date');
  cells.state.append(dot, outdated);
  const progress = bar('Progress'), done = el('span', { class: 'done' });
  cells.progress.append(progress.node, done);
  const trend = trendChart();
  cells.trend.append(trend.node);
  const times = {};
  for (const key of ['started', 'success', 'change', 'event']) {
    times[key] = timeOf();
    cells[key].append(times[key].node);
  }
  const more = { success: el('small'), change: el('small') };
  for (const key in more) cells[key].append(more[key]);
  const why = reason(), flights = el('ul', { class: 'flights', 'aria-label': 'Packages in flight' });
  const underCell = el('td', { role: 'cell', 'aria-colspan': columns.length, colspan: columns.length }, why.node, flights);
  const under = el('tr', { class: 'under', role: 'row' }, underCell);
  const node = el('tbody', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...columns.map((c) => cells[c.key])), under);
  let skipped = false, drawn, past, dense;
  node.addEventListener('contentvisibilityautostatechange', (e) => {
    if (skipped && !e.skipped) dispatchEvent(new Event('mom-draw'));
    skipped = e.skipped;
  });

  // set draws what changes with the job.
  function set(j) {
    const p = j.progress, s = j.past, standing = word.standing(j);
    setAttr(node, 'data-standing', standing);
    setAttr(node, 'data-trouble', j.trouble ?? '');
    setAttr(link, 'href', jobHref(j.server, j.id));
    const way = [j.sourcePath, j.destinationPath].filter(Boolean).map(word.visible).join(' → ');
    setName(label, word.dryRun(j) + j.label);
    setAttr(link, 'title', [label.textContent, way].filter(Boolean).join('\n'));
    setText(paths, way);
    setText(cells.server, several() ? word.visible(nameOf(j.server)) : '');
    setAttr(cells.server, 'title', cells.server.textContent);
    setText(at, several() ? word.visible(shortOf(j.server)) : '');
    setAttr(at, 'title', cells.server.textContent);
    setText(dot, word.runWord(j));
    setAttr(progress.node, 'aria-label', `Progress of ${label.textContent}`);
    progress.set(j.fraction, standing, Boolean(j.known));
    setText(done, word.percent(j));
    setText(cells.packages, word.briefOf(p.packagesDone, p.packagesTotal));
    setAttr(cells.packages, 'title', word.countOf(p.packagesDone ?? 0, p.packagesTotal));
    setText(cells.files, word.briefOf(p.filesDone, p.filesTotal));
    setAttr(cells.files, 'title', word.countOf(p.filesDone ?? 0, p.filesTotal));
    setText(cells.bytes, j.running ? word.sizeOf(p.bytesDone ?? 0, p.bytesTotal) : p.bytesDone ? word.size(p.bytesDone) : '');
    setText(cells.rate, word.rate(j.rate) && (j.running ? '' : '⌀ ') + word.rate(j.rate));
    setAttr(cells.rate, 'title', j.running || !j.rate ? '' : 'the mean of the run');
    setText(cells.left, word.left(j.timeLeft));
    for (const key of ['warnings', 'errors']) {
      setText(cells[key], p[key] ? word.brief(p[key]) : '');
      setAttr(cells[key], 'data-bad', p[key] ? key.slice(0, -1) : '');
      setAttr(cells[key], 'data-label', p[key] === 1 ? key.slice(0, -1) : key);
    }
    trend.draw(s?.trend ?? []);
    setText(more.success, s?.idle ? (s.idle === 1 ? 'nothing to move' : `nothing to move ${word.count(s.idle)}×`) : '');
    setText(more.change, s?.lastChange ? [s.changeFiles ? word.plural(s.changeFiles, 'file') : '', word.size(s.changeBytes ?? 0)].filter(Boolean).join(', ') : '');
  }

  // setTimes draws what changes with time.
  function setTimes(j, now) {
    const s = j.past, stale = several() && old(j.server);
    setAttr(node, 'data-old', stale ? 'yes' : '');
    setHidden(outdated, !stale);
    times.started.set(j.started, j.started ? word.shortClock(j.started, now) : '');
    const ms = took(j, now);
    setText(cells.took, ms === undefined ? '' : j.running ? word.left(Math.floor(ms / 1000)) : word.span(ms));
    times.success.set(s?.lastSuccess, s?.lastSuccess ? word.ago(now - Date.parse(s.lastSuccess)) : s || !j.running ? 'none known' : '');
    setAttr(cells.success, 'data-bad', s?.lastSuccess && now - Date.parse(s.lastSuccess) > 24 * 3600_000 ? 'warning' : '');
    times.change.set(s?.lastChange, s?.lastChange ? word.ago(now - Date.parse(s.lastChange)) : '');
    times.event.set(j.lastChange, word.ago(now - Date.parse(j.lastChange)));
    why.draw(j, now);
  }

  return {
    node,
    update(j, isDense, now) {
      if (skipped) return; // the browser does not lay it out
      if (drawn !== j || past !== j.past || dense !== isDense) {
        set(j);
        const numbers = (j.inFlight ?? []).map((pack) => pack.number), scans = word.scans(j) && !isDense;
        setHidden(flights, isDense || numbers.length === 0 && !scans);
        if (!isDense) {
          keyed(flights, scans ? ['scan'] : j.moreInFlight ? [...numbers, 'more'] : numbers, makeFlight, (flight, key) => {
            if (key === 'scan') setName(flight.node, word.scanned(j));
            else if (key === 'more') setText(flight.node, `and ${j.moreInFlight} more`);
            else flight.update(j.inFlight[numbers.indexOf(key)]);
          });
        }
        [drawn, past, dense] = [j, j.past, isDense];
      }
      setTimes(j, now);
      setHidden(under, why.node.hidden && flights.hidden);
    },
  };
}

// reason says why the job failed last, and links to that run.
function reason() {
  const when = timeOf(), text = el('bdi'), lead = el('span');
  const link = el('a', {}, lead, when.node, text);
  const node = el('div', { class: 'why' }, link);
  return {
    node,
    draw(j, now) {
      const f = j.past?.lastFailure, bad = Boolean(j.trouble);
      setHidden(node, !f && !bad);
      if (!f && !bad) return;
      const at = f?.ended ?? j.lastChange, n = j.past?.failures ?? 1;
      const how = bad ? word.capital(f ? word.runWord(f) : word.runWord(j)) : 'Last failure';
      setText(lead, `${how} `);
      when.set(at, word.ago(now - Date.parse(at)) + (n > 1 ? `, ${word.count(n)}×` : ''));
      const message = j.past?.why || (j.lost ? word.lossWord(j.lost) : '');
      setText(text, message && `: ${word.visible(message)}`);
      setAttr(link, 'title', word.visible(message));
      setAttr(link, 'href', jobHref(j.server, j.id, f?.runID ?? j.runID));
      setAttr(node, 'data-bad', bad ? (j.trouble === 'failed' ? 'error' : 'warning') : '');
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
      setAttr(item, 'title', item.textContent);
    },
  };
}

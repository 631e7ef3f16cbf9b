// The page of a job: one run of it, and the list of its runs.

import { bar, el, keyed, logRow, setAttr, setHidden, setName, setText, svg } from './draw.js';
import { past } from './past.js';
import { timeline } from './timeline.js';
import * as word from './words.js';

export function jobPage(main, route) {
  const title = el('h1', { tabindex: -1 }, '…');
  const paths = el('p', { class: 'paths soft' });
  const earlier = el('p', { class: 'earlier' });
  const dot = el('span', { class: 'standing' }), progress = bar('Progress'), done = el('b');
  const facts = el('dl', { class: 'facts' });
  const chart = throughput(), rows = timeline(), list = log(), runs = runTable(route.job);
  const missing = el('div', { class: 'empty' }, el('h2', {}, 'This job is unknown'), el('p', {}, 'The monitor has received no event of this job, or has forgotten the job.'));
  const lost = el('div', { class: 'empty' }, el('h2', {}, 'The monitor has forgotten this run'), el('p', {}, el('a', { href: `#/job/${route.job}` }, 'The latest run')));
  const strip = el('div', { class: 'card strip' }, dot, progress.node, done, facts);
  const shown = el('div', {}, strip, el('div', { class: 'pair' }, chart.node, runs.node), rows.node, list.node);
  const before = past();
  const top = el('div', { class: 'title' }, title, paths, before.node);
  main.replaceChildren(el('nav', { class: 'crumbs', 'aria-label': 'Breadcrumb' }, el('a', { href: '#/' }, '‹ All jobs')), top, earlier, shown, lost, missing);

  return {
    title(state) {
      const run = state.get('run/' + state.get('shown'));
      const text = word.visible(state.get('name') || route.job);
      if (!run) return `${text} · MoM`;
      return `${run.running && run.known ? word.percent(run) : word.runWord(run)} ${word.dryRun(run)}${text} · MoM`;
    },
    focus: () => title.focus({ preventScroll: true }),
    draw(state, now) {
      const known = state.get('found') !== false;
      const r = state.get('run/' + state.get('shown'));
      setHidden(missing, known);
      setHidden(top, !known);
      setHidden(lost, !known || Boolean(r) || !state.has('found') || !route.run);
      setHidden(shown, !r && !state.get('lines')?.length);
      for (const part of [strip, chart.node, rows.node, list.node]) setHidden(part, !r); // only the history has the job
      before.draw(state.get('past'), now);
      setName(title, word.dryRun(r) + (state.get('name') || route.job));
      drawEarlier(earlier, route, state, now);
      runs.draw(state, now);
      if (!r) return;
      setName(paths, [r.sourcePath, r.destinationPath].filter(Boolean).join(' → '));
      setText(dot, word.runWord(r));
      setAttr(strip, 'data-standing', word.standing(r));
      progress.set(r.fraction, word.standing(r), r.known);
      setText(done, word.percent(r));
      drawFacts(facts, r, now);
      chart.draw(state.get('throughput'), r);
      rows.draw(state, r, now);
      list.draw(state, now);
    },
  };
}

function drawEarlier(node, route, state, now) {
  const latest = (state.get('runs') ?? [])[0], r = state.get('run/' + route.run);
  const is = Boolean(route.run && r && latest !== route.run);
  setHidden(node, !is);
  if (!is) return;
  const text = r.started ? `An earlier run, begun ${word.clock(r.started, now)}.` : 'An earlier run.';
  if (node.firstChild?.textContent !== text) node.replaceChildren(el('span', {}, text), ' ', el('a', { href: `#/job/${route.job}` }, 'Go to the latest'));
}

function drawFacts(node, r, now) {
  const p = r.progress, running = r.running, besides = word.besides(p);
  const took = r.started ? word.span((running ? now : Date.parse(r.ended ?? r.lastChange)) - Date.parse(r.started)) : '';
  const all = [
    ['Bytes', word.sizeOf(p.bytesDone, p.bytesTotal) || '0 B'],
    ['Packages', (word.countOf(p.packagesDone, p.packagesTotal) || '0') + (p.packagesFailed ? `, ${p.packagesFailed} failed` : '')],
    ['Files', word.countOf(p.filesDone, p.filesTotal) || '0'],
    [running ? 'Rate' : 'Mean rate', word.rate(r.rate) || '–'],
    running ? ['Time left', word.left(r.timeLeft) || '–'] : ['Took', took || 'unknown'],
    ['Started', r.started ? word.clock(r.started, now) : 'not seen'],
    running ? ['For', took || '–'] : ['Ended', r.ended ? word.clock(r.ended, now) : 'not seen'],
    ['Warnings', word.count(p.warnings), p.warnings ? 'warning' : ''],
    ['Errors', word.count(p.errors), p.errors ? 'error' : ''],
    ...(word.scans(r) && r.item ? [['Scanning', word.visible(r.item), '', 'long']] : []),
    ...(besides.length ? [['Also', besides.join(', '), '', 'long']] : []),
  ];
  keyed(node, all.map((_, i) => i), () => {
    const term = el('dt'), value = el('dd');
    return { node: el('div', {}, term, value), term, value };
  }, (row, i) => {
    setText(row.term, all[i][0]);
    setText(row.value, all[i][1]);
    setAttr(row.value, 'data-bad', all[i][2] ?? '');
    setAttr(row.node, 'class', all[i][3] ?? '');
  });
}

// throughput draws the bytes per second over the time of the run.
function throughput() {
  const area = svg('path', { class: 'area' }), line = svg('path', { class: 'line' });
  const drawing = svg('svg', { viewBox: '0 0 100 100', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('path', { class: 'grid', d: 'M0 0H100M0 50H100M0 100H100' }), area, line);
  const top = el('span', { class: 'top' }), middle = el('span', { class: 'middle' }), from = el('span'), to = el('span');
  const said = el('span', { class: 'soft' });
  const node = el('section', { class: 'throughput', 'aria-labelledby': 'throughput-title' },
    el('div', { class: 'head' }, el('h2', { id: 'throughput-title' }, 'Throughput'), said),
    el('div', { class: 'card' }, el('div', { class: 'chart' }, drawing, top, middle), el('div', { class: 'axis soft' }, from, to)));
  return {
    node,
    draw(t, run) {
      const all = t?.bytesPerSecond ?? [];
      const peak = Math.max(0, ...all), max = round(peak);
      const heights = all.map((n) => (100 - (n / max) * 100).toFixed(2));
      const path = heights.map((y, i) => `${i ? 'L' : `M0 ${y}L`}${(((i + 0.5) / all.length) * 100).toFixed(2)} ${y}`).join('') + (all.length ? 'H100' : '');
      setAttr(line, 'd', path);
      setAttr(area, 'd', path && `${path}V100H0Z`);
      setText(top, all.length ? word.rate(max) : '');
      setText(middle, all.length ? word.rate(max / 2) : '');
      setText(from, all.length ? '0s' : '');
      setText(to, all.length ? word.left(all.length * t.step) : '');
      setText(said, all.length ? `peak ${word.rate(peak)}, each point ${word.left(t.step)}` : run.running ? 'no bytes yet' : 'no bytes were moved');
    },
  };
}

// round returns the next number that is round, as is half of it, in the unit in
// which n is shown.
function round(n) {
  let unit = 1;
  while (n / unit >= 1024) unit *= 1024;
  for (let step = 1; ; step *= 10) for (const m of [1, 2, 3, 4, 6, 8]) if (m * step * unit >= n) return m * step * unit;
}

function log() {
  const list = el('ol', { class: 'log', 'data-from': 'Processing' });
  const none = el('p', { class: 'soft' }), older = el('p', { class: 'soft' });
  const counts = {};
  const choices = el('fieldset', { class: 'choices' }, el('legend', { class: 'unseen' }, 'Show the log from'));
  for (const [severity, text] of [['Processing', 'All'], ['Warning', 'Warnings and errors'], ['Error', 'Errors']]) {
    const input = el('input', { type: 'radio', name: 'severity', value: severity });
    input.checked = severity === 'Processing';
    counts[severity] = el('span', { class: 'soft' });
    input.addEventListener('change', () => {
      setAttr(list, 'data-from', severity);
      emptiness();
    });
    choices.append(el('label', {}, input, el('span', {}, text + ' ', counts[severity])));
  }
  const n = { Processing: 0, Warning: 0, Error: 0 };
  function emptiness() {
    const from = list.dataset.from;
    setText(none, n[from] ? '' : { Processing: 'Nothing was logged.', Warning: 'No warnings, no errors.', Error: 'No errors.' }[from]);
    setHidden(none, n[from] > 0);
  }
  const node = el('section', { 'aria-labelledby': 'log-title' }, el('div', { class: 'head' }, el('h2', { id: 'log-title' }, 'Log'), choices),
    el('div', { class: 'card scroll', tabindex: 0, role: 'region', 'aria-labelledby': 'log-title' }, list, none, older));
  return {
    node,
    draw(state, now) {
      const keys = [...state.keys()].filter((key) => key.startsWith('log/')).sort((a, b) => b.slice(4) - a.slice(4));
      keyed(list, keys, (key) => logRow(state.get(key), now, true));
      n.Error = keys.filter((key) => state.get(key).severity === 'Error').length;
      n.Warning = n.Error + keys.filter((key) => state.get(key).severity === 'Warning').length;
      n.Processing = keys.length;
      for (const severity in counts) setText(counts[severity], String(n[severity]));
      const forgotten = state.get('logForgotten') ?? 0;
      setText(older, forgotten ? `${word.plural(forgotten, 'older line')} not shown.` : '');
      setHidden(older, !forgotten);
      emptiness();
    },
  };
}

// runTable lists the runs of the job, the last one first: those that go on, and those
// of the history. Runs that followed each other, moved nothing and ended alike are one
// line.
function runTable(job) {
  const body = el('tbody');
  const older = el('p', { class: 'soft' });
  const node = el('section', { class: 'runs', 'aria-labelledby': 'runs-title' }, el('div', { class: 'head' }, el('h2', { id: 'runs-title' }, 'Runs')),
    el('div', { class: 'card scroll', tabindex: 0, role: 'region', 'aria-labelledby': 'runs-title' },
      el('table', {}, el('thead', {}, el('tr', {}, ...[['Started', ''], ['Took', 'n'], ['Result', ''], ['Bytes', 'n'], ['Errors', 'n']].map(([text, kind]) => el('th', { scope: 'col', class: kind }, text)))), body), older));
  return {
    node,
    draw(state, now) {
      const lines = new Map((state.get('lines') ?? []).map((line) => [line.runID, line]));
      const running = (state.get('runs') ?? []).filter((id) => state.get('run/' + id)?.running);
      keyed(body, [...running, ...lines.keys()], (id) => {
        const link = el('a', { href: `#/job/${job}/run/${id}` }), text = el('span');
        const took = el('td', { class: 'n' }), result = el('span', { class: 'standing' }), bytes = el('td', { class: 'n' }), errors = el('td', { class: 'n' });
        return { node: el('tr', {}, el('td', {}, link, text), took, el('td', {}, result), bytes, errors), link, text, took, result, bytes, errors };
      }, (row, id) => {
        const r = state.get('run/' + id), line = lines.get(id);
        drawRun(row, r?.running || !line ? { ...r, bytes: r.progress.bytesDone, errors: r.progress.errors } : line, Boolean(r), now);
        if (id === state.get('shown')) setAttr(row.link, 'aria-current', 'true');
        else row.link.removeAttribute('aria-current');
      });
      const forgotten = state.get('linesForgotten') ?? 0;
      setText(older, forgotten ? `${word.plural(forgotten, 'older run')} not shown.` : '');
      setHidden(older, !forgotten);
    },
  };
}

// drawRun draws a line of the table. linked says that the run has a page.
function drawRun(row, r, linked, now) {
  const started = r.count > 1 ? `${word.clock(r.since, now)} – ${word.clock(r.ended, now)}` : r.started ? word.clock(r.started, now) : 'not seen';
  setAttr(row.node, 'data-standing', word.standing(r));
  setText(row.link, linked ? started : '');
  setHidden(row.link, !linked);
  setText(row.text, linked ? '' : started);
  setText(row.took, r.count > 1 ? '' : r.started && r.ended ? word.span(Math.max(0, Date.parse(r.ended) - Date.parse(r.started))) : '');
  const result = r.running && r.known ? word.percent(r) : r.count > 1 ? `${r.outcome === 'Succeeded' ? 'nothing to move' : word.runWord(r)}, ${word.count(r.count)}×` : word.runWord(r);
  setText(row.result, word.dryRun(r) + result);
  setAttr(row.result, 'title', r.error ? word.visible([r.error.item, r.error.message].filter(Boolean).join(': ')) : '');
  setText(row.bytes, r.count > 1 ? '' : word.size(r.bytes ?? 0));
  setText(row.errors, r.errors ? word.count(r.errors) : '');
  setAttr(row.errors, 'data-bad', r.errors ? 'error' : '');
}

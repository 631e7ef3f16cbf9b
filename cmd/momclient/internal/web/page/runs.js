// The runs of a job.

import { el, keyed, setAttr, setHidden, setText } from './draw.js';
import { jobHref } from './route.js';
import * as word from './words.js';

// runTable lists the runs of the job, the last one first: those that go on, and those
// of the history. Runs that followed each other, moved nothing and ended alike are one
// line.
export function runTable(job) {
  const body = el('tbody');
  const older = el('p', { class: 'soft' });
  const node = el('section', { class: 'runs' }, el('div', { class: 'head' }, el('h2', { id: 'runs-title' }, 'Runs')),
    el('div', { class: 'card scroll', tabindex: 0, role: 'region', 'aria-labelledby': 'runs-title' },
      el('table', {}, el('thead', {}, el('tr', {}, ...[['Started', ''], ['Took', 'n'], ['Result', ''], ['Bytes', 'n'], ['Errors', 'n']].map(([text, kind]) => el('th', { scope: 'col', class: kind }, text)))), body), older));
  return {
    node,
    draw(state, now) {
      const lines = new Map((state.get('lines') ?? []).map((line) => [line.runID, line]));
      const running = (state.get('runs') ?? []).filter((id) => state.get('run/' + id)?.running);
      keyed(body, [...running, ...lines.keys()], (id) => {
        const link = el('a', { href: jobHref(state.get('server'), job, id) }), text = el('span');
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
  setAttr(row.result, 'title', r.error ? word.errorText(r.error) : '');
  setText(row.bytes, r.count > 1 ? '' : word.size(r.bytes ?? 0));
  setText(row.errors, r.errors ? word.count(r.errors) : '');
  setAttr(row.errors, 'data-bad', r.errors ? 'error' : '');
}

// The page of a job: one run of it, and the list of its runs.

import { copyable } from './copy.js';
import { bar, el, keyed, setAttr, setHidden, setName, setText } from './draw.js';
import { log } from './log.js';
import { logKeys } from './logrow.js';
import { past } from './past.js';
import { jobHref } from './route.js';
import { runTable } from './runs.js';
import { nameOf, old, several } from './servers.js';
import { throughput } from './throughput.js';
import { timeline } from './timeline.js';
import * as word from './words.js';

// jobPage shows the page of the route. back is the address of the overview.
export function jobPage(main, route, back) {
  const title = el('h1', { tabindex: -1 }, '…');
  const paths = el('p', { class: 'paths soft' }), server = el('p', { class: 'server soft' });
  const earlier = el('p', { class: 'earlier' });
  const dot = el('span', { class: 'standing' }), progress = bar('Progress'), done = el('b');
  const first = firstError();
  const facts = el('dl', { class: 'facts' });
  const jobID = copyable('Job ID'), runID = copyable('Run ID'), ids = el('div', { class: 'ids' }, jobID.node, runID.node);
  const chart = throughput(), rows = timeline(), list = log(), runs = runTable(route.job);
  const missing = el('div', { class: 'empty' }, el('h2', {}, 'This job is unknown'), el('p', {}, 'The monitor has received no event of this job, or has forgotten the job.'));
  const latest = el('a', {}, 'The latest run');
  const lost = el('div', { class: 'empty' }, el('h2', {}, 'The monitor has forgotten this run'), el('p', {}, latest));
  const strip = el('div', { class: 'card strip' }, dot, progress.node, done, first.node, facts, ids);
  const pair = el('div', { class: 'pair' }, chart.node, runs.node);
  const shown = el('div', {}, strip, pair, rows.node, list.node);
  const before = past();
  const top = el('div', { class: 'title' }, title, server, paths, before.node);
  main.replaceChildren(el('nav', { class: 'crumbs', 'aria-label': 'Breadcrumb' }, el('a', { href: back }, '‹ All jobs')), top, earlier, shown, lost, missing);
  let toDo = route.at; // the place to go to, as soon as it is there
  jobID.set(route.job);

  return {
    title(state) {
      const run = state.get('run/' + state.get('shown'));
      const text = word.visible(state.get('name') || route.job);
      if (!run) return text;
      return `${run.running && run.known ? word.percent(run) : word.runWord(run)} ${word.dryRun(run)}${text}`;
    },
    focus: () => title.focus({ preventScroll: true }),
    turn(to) {
      route = to;
      toDo = to.at;
    },
    draw(state, now) {
      const known = state.get('found') !== false, at = state.get('server');
      const r = state.get('run/' + state.get('shown'));
      setHidden(missing, known);
      setHidden(top, !known);
      setHidden(lost, !known || Boolean(r) || !state.has('found') || !route.run);
      setAttr(latest, 'href', jobHref(at, route.job));
      setHidden(shown, !r && !state.get('lines')?.length);
      for (const part of [strip, rows.node, list.node]) setHidden(part, !r); // only the history has the job
      before.draw(state.get('past'), now);
      setName(title, word.dryRun(r) + (state.get('name') || route.job));
      setHidden(server, !several() || at === undefined);
      if (several()) setText(server, `Server ${word.visible(nameOf(at))}${old(at) ? ', not connected: out of date' : ''}`);
      drawEarlier(earlier, route, state, now);
      runs.draw(state, now);
      setHidden(chart.node, !r);
      if (r) {
        setName(paths, [r.sourcePath, r.destinationPath].filter(Boolean).join(' → '));
        setText(dot, word.runWord(r));
        setAttr(strip, 'data-standing', word.standing(r));
        setAttr(strip, 'data-old', old(at) ? 'yes' : '');
        progress.set(r.fraction, word.standing(r), r.known);
        setText(done, word.percent(r));
        first.draw(state, r, at, route.job);
        drawFacts(facts, r, now);
        runID.set(r.id);
        chart.draw(state.get('throughput'), r);
        rows.draw(state, r, now, first.text);
        list.draw(state, now);
      }
      pair.classList.toggle('single', chart.node.hidden);
      if (toDo && goTo(toDo)) toDo = '';
    },
  };

  // goTo scrolls to a place, and reports whether it is there.
  function goTo(place) {
    const [kind, number] = place.split('-');
    if (kind === 'package') rows.all();
    else list.all();
    const node = shown.querySelector(`[data-at="${kind === 'package' ? 'package' : 'log'}-${Number(number)}"]`);
    if (!node) return false;
    node.tabIndex = -1;
    node.scrollIntoView({ block: 'center' });
    node.focus({ preventScroll: true });
    return true;
  }
}

// firstError shows the first error of a run, and links to its place.
function firstError() {
  const link = el('a'), plain = el('span'), node = el('p', { class: 'first' }, el('span', {}, 'First error: '), el('bdi', {}, link, plain));
  return {
    node,
    text: '',
    draw(state, r, server, job) {
      const errors = logKeys(state).filter((key) => state.get(key).severity === 'Error').reverse();
      const line = (state.get('lines') ?? []).find((l) => l.runID === r.id);
      const e = line?.error ?? (state.get(errors[0]));
      setHidden(node, !e && !r.lost);
      this.text = e ? word.errorText(e) : r.lost ? word.capital(word.lossWord(r.lost)) : '';
      if (node.hidden) return;
      const entry = errors.map((key) => state.get(key)).find((x) => e && x.message === e.message && (x.item ?? '') === (e.item ?? ''));
      const at = entry ? `log-${entry.number}` : e?.package && state.has('package/' + e.package) ? `package-${e.package}` : '';
      setText(node.firstChild, e ? 'First error: ' : '');
      setText(link, at ? this.text : '');
      setText(plain, at ? '' : this.text);
      setHidden(link, !at);
      if (at) setAttr(link, 'href', jobHref(server, job, r.id, at));
    },
  };
}

function drawEarlier(node, route, state, now) {
  const latest = (state.get('runs') ?? [])[0], r = state.get('run/' + route.run);
  const is = Boolean(route.run && r && latest !== route.run);
  setHidden(node, !is);
  if (!is) return;
  const text = r.started ? `An earlier run, begun ${word.clock(r.started, now)}.` : 'An earlier run.';
  if (node.firstChild?.textContent !== text) node.replaceChildren(el('span', {}, text), ' ', el('a', { href: jobHref(state.get('server'), route.job) }, 'Go to the latest'));
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
    ['Started', r.started ? word.clock(r.started, now) : 'not seen', '', '', r.started],
    running ? ['For', took || '–'] : ['Ended', r.ended ? `${word.clock(r.ended, now)} (${word.ago(now - Date.parse(r.ended))})` : 'not seen', '', '', r.ended],
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
    setAttr(row.value, 'title', all[i][4] ? word.full(all[i][4]) : '');
  });
}

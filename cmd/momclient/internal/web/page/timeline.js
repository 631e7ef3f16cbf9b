// The packages of a run over time: a row for each package, from the start of its
// first change to the end of its last.

import { el, keyed, setAttr, setHidden, setStyle, setText } from './draw.js';
import * as word from './words.js';

// of maps a state to a part of the row of a package.
const of = {
  MirroringPackageInitialized: 'export', ExportingError: 'export', Transferring: 'transfer', Transferred: 'transfer', TransferringError: 'transfer',
  MirroringPackageCompleted: 'import', ImportingError: 'import',
};
const legend = [['export', 'export'], ['transfer', 'transfer'], ['import', 'import'], ['failed', 'failed']];

// nice has the lengths of the axis in seconds. So the axis changes seldom, and its
// quarters are round.
const nice = [0.02, 0.04, 0.08, 0.2, 0.4, 0.8, 1.2, 2, 4, 8, 12, 20, 28, 40, 60, 80, 120, 180, 240, 360, 480, 720, 1200, 1800, 2400, 3600, 4800, 7200, 9600, 14400];

function axis(seconds) {
  for (const n of nice) if (n >= seconds) return n;
  return Math.ceil(seconds / 14400) * 14400;
}

// parts returns the parts of the row of a package, [kind, from, to, failed], in
// milliseconds.
function parts(p) {
  const found = new Map();
  for (const s of p.steps) {
    const kind = of[s.state];
    if (!kind) continue;
    const end = Date.parse(s.end), start = s.start ? Date.parse(s.start) : end;
    const part = found.get(kind);
    const failed = s.state.endsWith('Error');
    if (part) found.set(kind, [kind, Math.min(part[1], start), Math.max(part[2], end), part[3] || failed]);
    else found.set(kind, [kind, Math.min(start, end), end, failed]);
  }
  return [...found.values()];
}

const many = 60; // packages; of more, only those that matter are shown at first
const slowest = 20;
const specks = 25; // the longest bar is shorter than this part of the axis

// took returns the time of a package, in milliseconds.
function took(p) {
  const all = parts(p);
  return all.length ? Math.max(...all.map((one) => one[2])) - Math.min(...all.map((one) => one[1])) : 0;
}

// notable returns the packages that failed, that are under way, and the slowest ones.
function notable(packages) {
  const least = packages.map(took).sort((a, b) => b - a)[slowest - 1];
  let slow = slowest;
  return packages.filter((p) => word.packageStanding(p) !== 'completed' || took(p) >= least && slow-- > 0);
}

export function timeline() {
  const ticks = el('div', { class: 'ticks soft', 'aria-hidden': 'true' });
  const rows = el('ol', { class: 'rows' });
  const none = el('p', { class: 'soft' }), older = el('span', { class: 'soft' }), how = el('span', { class: 'soft' });
  const scroll = el('div', { class: 'card scroll', tabindex: 0, role: 'region', 'aria-labelledby': 'packages-title' }, ticks, rows, none);
  const inputs = {}, texts = {};
  const choices = el('fieldset', { class: 'choices' }, el('legend', { class: 'unseen' }, 'Show of the packages'));
  for (const which of ['notable', 'all']) {
    inputs[which] = el('input', { type: 'radio', name: 'packages', value: which });
    inputs[which].addEventListener('change', () => redraw());
    choices.append(el('label', {}, inputs[which], (texts[which] = el('span'))));
  }
  inputs.notable.checked = true;
  let redraw = () => {};
  const node = el('section', { class: 'timeline' },
    el('div', { class: 'head' }, el('h2', { id: 'packages-title' }, 'Packages'), how, older, choices,
      el('span', { class: 'legend', 'aria-hidden': 'true' }, ...legend.map(([kind, text]) => el('span', {}, el('i', { class: kind }), text)))), scroll);
  let atEnd = true;
  scroll.addEventListener('scroll', () => (atEnd = scroll.scrollTop + scroll.clientHeight >= scroll.scrollHeight - 8), { passive: true });
  return {
    node,
    all() {
      if (!choices.hidden && !inputs.all.checked) inputs.all.click();
    },
    // draw draws the packages of a run. why says why it failed.
    draw(state, run, now, why) {
      redraw = () => this.draw(state, run, now, why);
      const kept = (state.get('packages') ?? []).map((n) => state.get('package/' + n)).filter(Boolean);
      const some = kept.length > many ? notable(kept) : kept;
      setHidden(choices, kept.length <= many);
      setText(texts.notable, `Failed and slowest ${word.count(some.length)}`);
      setText(texts.all, `All that are kept ${word.count(kept.length)}`);
      const packages = inputs.all.checked ? kept : some;
      const forgotten = state.get('packagesForgotten') ?? 0;
      // The axis spans what is shown, and begins with the run only if nothing is left out.
      let begin = run.started && packages.length === kept.length && !forgotten ? Date.parse(run.started) : Infinity, end = 0;
      for (const p of packages) {
        for (const [, from, to] of parts(p)) {
          begin = Math.min(begin, from);
          end = Math.max(end, to);
        }
      }
      if (run.ended && packages.length === kept.length && !forgotten) end = Math.max(end, Date.parse(run.ended));
      // If the bars would be specks, each begins at the left, so that one sees how long
      // they are and what took the time.
      const longest = Math.max(0, ...packages.map(took)), aligned = longest * specks < end - begin;
      const seconds = axis((aligned ? longest : end - begin) / 1000), from = run.started ? Date.parse(run.started) : begin;
      drawTicks(ticks, seconds, aligned ? 0 : Math.max(0, begin - from) / 1000);
      keyed(rows, packages.map((p) => p.number), makeRow, (row, number) => {
        row.update(state.get('package/' + number), aligned ? undefined : begin, seconds * 1000, from);
      });
      setText(how, aligned && packages.length ? 'each bar begins at the left' : '');
      setText(older, forgotten ? `${word.count(forgotten)} of ${word.count(forgotten + kept.length)} packages not kept` : '');
      setText(none, nothing(run, why));
      setHidden(none, packages.length > 0);
      setHidden(ticks, packages.length === 0);
      if (atEnd && run.running && packages.length === kept.length) scroll.scrollTop = scroll.scrollHeight;
    },
  };
}

// nothing says why a run has no packages.
function nothing(run, why) {
  if (run.progress.packagesDone + run.progress.packagesFailed > 0) return 'The monitor has seen no package of this run.';
  switch (word.standing(run)) {
    case 'running': return 'No package yet.';
    case 'succeeded': return 'There was nothing to mirror.';
    case 'cancelled': return 'The run was cancelled before its first package.';
    case 'lost': return 'No package of this run was seen.';
    case 'failed': return `The run failed before its first package${why ? ': ' + why : '.'}`;
  }
  return 'The run had no package.';
}

// drawTicks draws the axis. It begins so many seconds after the beginning of the run.
function drawTicks(node, seconds, from) {
  const exact = seconds < 0.4 ? 1000 : 10;
  from = Math.round(from * exact) / exact;
  const key = `${seconds} ${from}`;
  if (node.key === key) return;
  node.key = key;
  node.replaceChildren(...[0, 1, 2, 3, 4].map((i) => {
    const tick = el('span', {}, word.moment(from + (seconds * i) / 4));
    tick.style.left = `${i * 25}%`;
    return tick;
  }));
}

function makeRow(number) {
  const track = el('div', { class: 'track', 'aria-hidden': 'true' });
  const what = el('span', { class: 'what' }), bytes = el('span', { class: 'bytes' }), time = el('span', { class: 'took' });
  const node = el('li', { 'data-at': `package-${number}` }, el('span', { class: 'number' }, `#${number}`), track, what, bytes, time);
  let drawn;
  return {
    node,
    // update draws a package on an axis that begins at begin, or with the package if
    // that is undefined. from is the beginning of the run.
    update(p, begin, length, from) {
      if (drawn?.p === p && drawn.begin === begin && drawn.length === length) return;
      drawn = { p, begin, length };
      const all = parts(p), first = Math.min(...all.map((one) => one[1]));
      const at = begin === undefined && all.length ? ` at ${word.moment(Math.round((first - from) / 1000))}` : '';
      begin ??= first;
      setAttr(node, 'data-standing', word.packageStanding(p));
      keyed(track, all.map(([kind]) => kind), (kind) => ({ node: el('i', { class: kind }) }), (part, kind) => {
        const [, start, to, failed] = all.find((one) => one[0] === kind);
        setStyle(part.node, 'left', `${(((start - begin) / length) * 100).toFixed(3)}%`);
        setStyle(part.node, 'width', `${(((to - start) / length) * 100).toFixed(3)}%`);
        setAttr(part.node, 'class', failed ? `${kind} failed` : kind);
        setAttr(part.node, 'title', `${kind}: ${word.span(to - start)}, from ${word.span(start - from)}`);
      });
      setText(what, word.packageWord(p) + at);
      setText(bytes, p.open && p.received < p.fileSize ? word.sizeOf(p.received, p.fileSize) : word.size(Math.max(p.fileSize, p.received)));
      setText(time, all.length ? word.span(took(p)) : '');
      setAttr(node, 'title', [word.plural(p.files, 'file'), p.targetFilePath && word.visible(p.targetFilePath)].filter(Boolean).join(', '));
    },
  };
}

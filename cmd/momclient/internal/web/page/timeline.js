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
const nice = [0.4, 0.8, 1.2, 2, 4, 8, 12, 20, 28, 40, 60, 80, 120, 180, 240, 360, 480, 720, 1200, 1800, 2400, 3600, 4800, 7200, 9600, 14400];

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

export function timeline() {
  const ticks = el('div', { class: 'ticks soft', 'aria-hidden': 'true' });
  const rows = el('ol', { class: 'rows' });
  const none = el('p', { class: 'soft' }), older = el('span', { class: 'soft' });
  const scroll = el('div', { class: 'card scroll', tabindex: 0, role: 'region', 'aria-labelledby': 'packages-title' }, ticks, rows, none);
  const node = el('section', { class: 'timeline', 'aria-labelledby': 'packages-title' },
    el('div', { class: 'head' }, el('h2', { id: 'packages-title' }, 'Packages'), older,
      el('span', { class: 'legend', 'aria-hidden': 'true' }, ...legend.map(([kind, text]) => el('span', {}, el('i', { class: kind }), text)))), scroll);
  let atEnd = true;
  scroll.addEventListener('scroll', () => (atEnd = scroll.scrollTop + scroll.clientHeight >= scroll.scrollHeight - 8), { passive: true });
  return {
    node,
    draw(state, run, now) {
      const numbers = state.get('packages') ?? [];
      const packages = numbers.map((n) => state.get('package/' + n)).filter(Boolean);
      let begin = run.started ? Date.parse(run.started) : Infinity, end = 0;
      for (const p of packages) {
        for (const [, from, to] of parts(p)) {
          begin = Math.min(begin, from);
          end = Math.max(end, to);
        }
      }
      if (run.ended) end = Math.max(end, Date.parse(run.ended));
      const seconds = axis((end - begin) / 1000);
      drawTicks(ticks, seconds);
      keyed(rows, packages.map((p) => p.number), makeRow, (row, number) => {
        row.update(state.get('package/' + number), begin, seconds * 1000);
      });
      const forgotten = state.get('packagesForgotten') ?? 0;
      setText(older, forgotten ? `${word.plural(forgotten, 'earlier package')} not kept` : '');
      setText(none, run.running ? 'No package yet.' : run.outcome === 'Succeeded' ? 'There was nothing to mirror.' : 'There was no package.');
      setHidden(none, packages.length > 0);
      setHidden(ticks, packages.length === 0);
      if (atEnd && run.running) scroll.scrollTop = scroll.scrollHeight;
    },
  };
}

function drawTicks(node, seconds) {
  if (node.seconds === seconds) return;
  node.seconds = seconds;
  node.replaceChildren(...[0, 1, 2, 3, 4].map((i) => {
    const tick = el('span', {}, word.moment((seconds * i) / 4));
    tick.style.left = `${i * 25}%`;
    return tick;
  }));
}

function makeRow(number) {
  const track = el('div', { class: 'track', 'aria-hidden': 'true' });
  const what = el('span', { class: 'what' }), bytes = el('span', { class: 'bytes' }), took = el('span', { class: 'took' });
  const node = el('li', {}, el('span', { class: 'number' }, `#${number}`), track, what, bytes, took);
  let drawn;
  return {
    node,
    update(p, begin, length) {
      if (drawn?.p === p && drawn.begin === begin && drawn.length === length) return;
      drawn = { p, begin, length };
      const all = parts(p);
      setAttr(node, 'data-standing', word.packageStanding(p));
      keyed(track, all.map(([kind]) => kind), (kind) => ({ node: el('i', { class: kind }) }), (part, kind) => {
        const [, from, to, failed] = all.find((one) => one[0] === kind);
        setStyle(part.node, 'left', `${(((from - begin) / length) * 100).toFixed(3)}%`);
        setStyle(part.node, 'width', `${(((to - from) / length) * 100).toFixed(3)}%`);
        setAttr(part.node, 'class', failed ? `${kind} failed` : kind);
        setAttr(part.node, 'title', `${kind}: ${word.span(to - from)}, from ${word.span(from - begin)}`);
      });
      setText(what, word.packageWord(p));
      setText(bytes, p.open && p.received < p.fileSize ? word.sizeOf(p.received, p.fileSize) : word.size(Math.max(p.fileSize, p.received)));
      const first = Math.min(...all.map((one) => one[1])), last = Math.max(...all.map((one) => one[2]));
      setText(took, all.length ? word.span(last - first) : '');
      setAttr(node, 'title', [word.plural(p.files, 'file'), p.targetFilePath && word.visible(p.targetFilePath)].filter(Boolean).join(', '));
    },
  };
}

// The chart of the bytes per second of a run.

import { el, setAttr, setHidden, setText, svg } from './draw.js';
import * as word from './words.js';

// throughput draws the bytes per second over the time of the run.
export function throughput() {
  const area = svg('path', { class: 'area' }), line = svg('path', { class: 'line' });
  const drawing = svg('svg', { viewBox: '0 0 100 100', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('path', { class: 'grid', d: 'M0 0H100M0 50H100M0 100H100' }), area, line);
  const top = el('span', { class: 'top' }), middle = el('span', { class: 'middle' }), from = el('span'), to = el('span');
  const said = el('span', { class: 'soft' });
  const node = el('section', { class: 'throughput' },
    el('div', { class: 'head' }, el('h2', { id: 'throughput-title' }, 'Throughput'), said),
    el('div', { class: 'card' }, el('div', { class: 'chart' }, drawing, top, middle), el('div', { class: 'axis soft' }, from, to)));
  return {
    node,
    draw(t, run) {
      const all = t?.bytesPerSecond ?? [];
      setHidden(node, all.length === 0 && !run.running);
      const peak = Math.max(0, ...all), max = round(peak);
      const heights = all.map((n) => (100 - (n / max) * 100).toFixed(2));
      const path = heights.map((y, i) => `${i ? 'L' : `M0 ${y}L`}${(((i + 0.5) / all.length) * 100).toFixed(2)} ${y}`).join('') + (all.length ? 'H100' : '');
      setAttr(line, 'd', path);
      setAttr(area, 'd', path && `${path}V100H0Z`);
      setText(top, all.length ? word.rate(max) : '');
      setText(middle, all.length ? word.rate(max / 2) : '');
      setText(from, all.length ? '0s' : '');
      setText(to, all.length ? word.left(all.length * t.step) : '');
      setText(said, all.length ? `peak ${word.rate(peak)}, each point ${word.left(t.step)}` : 'no bytes yet');
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

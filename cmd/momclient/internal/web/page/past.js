// What the monitor knows of earlier runs: the summary of a job with the trend of its
// last runs, and the receivers of messages.

import { el, keyed, setAttr, setHidden, setText, svg, timeOf } from './draw.js';
import * as word from './words.js';

const width = 100, height = 24; // of the drawing

// past returns the summary of a job: the last success, change and failure, and the
// trend.
export function past() {
  const trend = trendChart();
  const parts = ['success', 'change', 'failure'].map((kind) => {
    const term = el('span', { class: 'soft' }), time = timeOf(), more = el('bdi', { class: 'more' });
    return { node: el('span', { class: kind }, term, ' ', time.node, more), term, time, more };
  });
  const node = el('div', { class: 'past' }, trend.node, ...parts.map((part) => part.node));
  return {
    node,
    draw(s, now) {
      setHidden(node, !s);
      if (!s) return;
      trend.draw(s.trend);
      show(parts[0], 'Last success', s.lastSuccess, now, s.idle ? (s.idle === 1 ? 'nothing to move' : `nothing to move ${word.count(s.idle)}×`) : '');
      show(parts[1], 'Last change', s.lastChange, now, s.lastChange ? [s.changeFiles ? word.plural(s.changeFiles, 'file') : '', word.size(s.changeBytes ?? 0)].filter(Boolean).join(', ') : '');
      show(parts[2], 'Last failure', s.lastFailure?.ended, now, s.lastFailure ? word.visible(s.why || word.runWord(s.lastFailure)) + (s.failures > 1 ? `, ${word.count(s.failures)}×` : '') : '');
      setAttr(parts[2].node, 'data-since', s.lastFailure && !(Date.parse(s.lastSuccess) > Date.parse(s.lastFailure.ended)) ? 'now' : '');
    },
  };
}

function show(part, term, time, now, more) {
  setText(part.term, time ? term : `${term}: none known`);
  part.time.set(time, time ? `${word.clock(time, now)} (${word.ago(now - Date.parse(time))})` : '');
  setText(part.more, more && `: ${more}`);
  setAttr(part.more, 'title', more);
}

// trendChart draws the last runs that were not idle: a bar for the bytes of each, and
// a line for the durations. A point is [seconds, bytes, failed].
export function trendChart() {
  const bars = svg('path', { class: 'bars' }), bad = svg('path', { class: 'bars failed' }), line = svg('path', { class: 'line' });
  const drawing = svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, bars, bad, line);
  const said = el('span', { class: 'unseen' });
  const node = el('span', { class: 'trend' }, drawing, said);
  let drawn;
  return {
    node,
    draw(points) {
      if (points === drawn) return;
      drawn = points;
      setHidden(node, points.length === 0);
      const top = Math.max(1, ...points.map(([, bytes]) => bytes)), longest = Math.max(0.001, ...points.map(([seconds]) => seconds));
      const step = width / Math.max(8, points.length);
      const path = (wanted) => points.map(([, bytes, failed], i) => {
        if (failed !== wanted) return '';
        const h = Math.max(failed ? 3 : 1, (bytes / top) * height);
        return `M${(i * step + step * 0.1).toFixed(1)} ${height}v-${h.toFixed(1)}h${(step * 0.8).toFixed(1)}v${h.toFixed(1)}z`;
      }).join('');
      bars.setAttribute('d', path(0));
      bad.setAttribute('d', path(1));
      line.setAttribute('d', points.map(([seconds], i) => `${i ? 'L' : 'M'}${((i + 0.5) * step).toFixed(1)} ${(height - 1 - (seconds / longest) * (height - 2)).toFixed(1)}`).join(''));
      const text = points.length ? trendText(points, top, longest) : '';
      setText(said, text);
      setAttr(node, 'title', text && `${text}. Bars: bytes. Line: duration.`);
    },
  };
}

function trendText(points, top, longest) {
  const [seconds, bytes] = points.at(-1), failed = points.filter((p) => p[2]).length;
  const took = seconds ? word.span(seconds * 1000) : 'an unknown time';
  return `Trend of the last ${word.plural(points.length, 'run')} with something to move or an error: at most ${word.size(top)} and ${word.span(longest * 1000)}; the last ${word.size(bytes)} in ${took}${failed ? `; ${failed} failed` : ''}`;
}

// receivers lists the receivers for which messages wait. calm says how many there are
// if none waits.
export function receivers() {
  const list = el('ul'), calm = el('p', { class: 'soft' });
  const node = el('section', { class: 'receivers', 'aria-labelledby': 'receivers-title' }, el('h2', { id: 'receivers-title' }, 'Messages that were not delivered'), el('div', { class: 'card' }, list));
  return {
    node,
    calm,
    draw(all, now) {
      const late = all.filter((r) => r.waiting || r.error || r.refused);
      keyed(list, late.map((r) => r.receiver + all.indexOf(r)), () => ({ node: el('li') }), (row, key) => {
        const r = late.find((r) => r.receiver + all.indexOf(r) === key);
        const parts = [r.waiting === 1 ? '1 message waits' : `${word.count(r.waiting)} messages wait`];
        if (r.oldest) parts[0] += ` since ${word.clock(r.oldest, now)}`;
        if (r.error) parts.push(word.visible(r.error));
        if (r.nextTry && r.waiting) parts.push(Date.parse(r.nextTry) > now ? `next attempt in ${word.left((Date.parse(r.nextTry) - now) / 1000)}` : 'trying now');
        if (r.dropped) parts.push(`${word.count(r.dropped)} older ones dropped`);
        if (r.refused) parts.push(`${word.count(r.refused)} refused and given up`);
        setText(row.node, `${word.visible(r.receiver)}: ${parts.join('; ')}`);
        setAttr(row.node, 'data-bad', r.error ? 'error' : '');
      });
      const taken = all.reduce((n, r) => n + r.taken, 0);
      setText(calm, late.length ? '' : `${word.plural(all.length, 'receiver')}, ${word.plural(taken, 'message')} delivered, none waits.`);
      setHidden(calm, late.length > 0 || all.length === 0);
      setHidden(node, late.length === 0);
    },
  };
}

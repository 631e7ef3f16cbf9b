// The columns of the list of jobs, and the order of its rows.

import { nameOf } from './servers.js';
import * as word from './words.js';

const stale = 24 * 3600_000; // a job without a success for this long is worth a look
const reading = 10_000; // rows stay in their places for this long after the user has done something
const settled = 5_000; // a column of changing values is sorted again after this long

// isStale reports whether the job has not succeeded for a day.
export const isStale = (j, now) => now - Date.parse(j.past?.lastSuccess ?? j.past?.first ?? j.started ?? j.lastChange) > stale;

const ended = (j) => (j.ended ? Date.parse(j.ended) : Date.parse(j.lastChange));
const time = (text) => (text ? Date.parse(text) : undefined);

// took returns how long the run took or has taken, in milliseconds.
export const took = (j, now) => (j.started ? Math.max(0, (j.running ? now : ended(j)) - Date.parse(j.started)) : undefined);

// columns has for each column its key, its heading, the value by which it sorts, and
// whether a click sorts by the highest value first.
export const columns = [
  { key: 'job', text: 'Job', value: (j) => j.label },
  { key: 'server', text: 'Server', value: (j) => nameOf(j.server) },
  { key: 'state', text: 'State', value: (j) => String(rank(j)) + word.runWord(j) },
  { key: 'progress', text: 'Progress', value: (j) => (j.known ? j.fraction ?? 0 : undefined), down: true },
  { key: 'packages', text: 'Packages', value: (j) => j.progress.packagesTotal || j.progress.packagesDone, down: true },
  { key: 'files', text: 'Files', value: (j) => j.progress.filesTotal || j.progress.filesDone, down: true },
  { key: 'bytes', text: 'Bytes', value: (j) => j.progress.bytesTotal || j.progress.bytesDone, down: true },
  { key: 'rate', text: 'Rate', value: (j) => j.rate || undefined, down: true, live: true },
  { key: 'left', text: 'Left', value: (j) => j.timeLeft || undefined, down: true, live: true },
  { key: 'started', text: 'Started', value: (j) => time(j.started), down: true },
  { key: 'took', text: 'Took', value: (j, now) => took(j, now), down: true, live: true },
  { key: 'success', text: 'Last success', value: (j) => time(j.past?.lastSuccess) ?? 0 },
  { key: 'change', text: 'Last change', value: (j) => time(j.past?.lastChange), down: true },
  { key: 'trend', text: 'Trend', value: (j) => j.past?.trend.at(-1)?.[0], down: true, title: 'The last runs: a bar for the bytes, a line for the duration. Sorts by the last duration' },
  { key: 'warnings', text: 'Warn', value: (j) => j.progress.warnings || undefined, down: true, title: 'Warnings' },
  { key: 'errors', text: 'Err', value: (j) => j.progress.errors || undefined, down: true, title: 'Errors' },
  { key: 'event', text: 'Last event', value: (j) => time(j.lastChange), down: true, live: true },
];

// parseSort returns the column of a sort as in an address, and whether the highest
// value comes first.
export function parseSort(sort) {
  const column = columns.find((c) => c.key === sort.replace(/^-/, ''));
  return column && { column, down: sort.startsWith('-') };
}

// nextSort returns the sort after a click on the heading of a column: the usual
// direction, the other one, and then none.
export function nextSort(sort, column) {
  const usual = (column.down ? '-' : '') + column.key, other = (column.down ? '' : '-') + column.key;
  return sort === usual ? other : sort === other ? '' : usual;
}

// rank returns the class of a job: those that failed or are lost come first, then those
// with errors, of the run that goes on too, those that run, and the rest.
export function rank(j) {
  if (j.trouble === 'failed' || j.trouble === 'lost') return 0;
  if (j.trouble === 'errors' || j.running && j.progress.errors) return 1;
  return j.running ? 2 : 3;
}

const collator = new Intl.Collator('en', { numeric: true });
const byName = (a, b) => collator.compare(a.label, b.label) || a.server - b.server || (a.key < b.key ? -1 : 1);

function compare(sort, now) {
  const by = parseSort(sort);
  if (!by) return (a, b) => rank(a) - rank(b) || byName(a, b);
  return (a, b) => {
    const x = by.column.value(a, now), y = by.column.value(b, now);
    if (x === undefined || y === undefined) return (x === undefined) - (y === undefined) || byName(a, b); // unknown ones last
    const order = typeof x === 'string' ? collator.compare(x, y) : x - y;
    return (by.down ? -order : order) || byName(a, b);
  };
}

// ordering keeps the rows in their places while somebody reads them.
export function ordering() {
  let places = new Map(); // of the jobs, by key
  let made = '', at = 0, touched = 0;
  return {
    touch: () => (touched = Date.now()),
    // order sorts the jobs. The sort holds for what is chosen.
    order(all, sort, chosen, now) {
      const by = parseSort(sort), stamp = `${sort}\n${chosen}`;
      const rest = Date.now() - touched < reading || by?.column.live && Date.now() - at < settled;
      if (stamp === made && rest) {
        const end = places.size;
        return all.sort((a, b) => (places.get(a.key) ?? end) - (places.get(b.key) ?? end) || byName(a, b));
      }
      all.sort(compare(sort, now));
      if (stamp !== made) touched = 0;
      [made, at] = [stamp, Date.now()];
      places = new Map(all.map((j, i) => [j.key, i]));
      return all;
    },
  };
}

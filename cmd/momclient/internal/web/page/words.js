// Words for the values of the board, the same as on the terminal.

// visible escapes invisible characters, such as control characters and marks of
// direction, so that a name cannot look like another. The joiner of two pictures, as in
// a family, stays.
export function visible(text) {
  return text.replace(/(?<!\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]?)\u200d|\u200d(?!\p{Extended_Pictographic})|(?!\u200d)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu, (c) => '\\u{' + c.codePointAt(0).toString(16) + '}');
}

const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

export function size(n) {
  if (n < 1024) return `${n} B`;
  let i = -1;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${n < 9.95 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

export const rate = (n) => (n > 0 ? size(n) + '/s' : '');

export function sizeOf(done, total) {
  if (total > 0) return `${size(done)} of ${size(total)}`;
  return done > 0 ? size(done) : '';
}

export const count = (n) => n.toLocaleString('en').replaceAll(',', '\u202f');

export function countOf(done, total) {
  if (total > 0) return `${count(done)}/${count(total)}`;
  return done > 0 ? count(done) : '';
}

// brief formats a number for a narrow column: 9 999, 82k, 1.2M.
export function brief(n) {
  if (n < 10_000) return count(n);
  if (n < 1_000_000) return `${Math.floor(n / 1000)}k`;
  return `${n < 10_000_000 ? (Math.floor(n / 100_000) / 10).toFixed(1) : count(Math.floor(n / 1_000_000))}M`;
}

export function briefOf(done = 0, total = 0) {
  if (total > 0) return `${brief(done)}/${brief(total)}`;
  return done > 0 ? brief(done) : '';
}

export const plural = (n, one, many = one + 's') => `${count(n)} ${n === 1 ? one : many}`;

const two = (n) => String(n).padStart(2, '0');

// span formats a time in milliseconds: 40ms, 0.4s, 12s, 3m05s, 2h07m, 3d04h.
export function span(ms) {
  if (ms < 95) return `${Math.max(0, Math.round(ms))}ms`;
  const s = ms / 1000;
  if (s < 9.95) return `${s.toFixed(1)}s`;
  const n = Math.round(s);
  if (n < 60) return `${n}s`;
  if (n < 3600) return `${Math.floor(n / 60)}m${two(n % 60)}s`;
  if (n < 86400) return `${Math.floor(n / 3600)}h${two(Math.floor(n / 60) % 60)}m`;
  return `${Math.floor(n / 86400)}d${two(Math.floor(n / 3600) % 24)}h`;
}

// moment formats a round time since a start, in seconds, without a needless zero.
export const moment = (seconds) => (seconds < 10 ? `${+seconds.toFixed(3)}s` : span(seconds * 1000).replace(/(?<=[hm])00[ms]$/, ''));

// age formats a span that changes at most once a second.
export function age(ms) {
  const s = Math.floor(Math.max(0, ms) / 1000);
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m`;
  if (s < 172800) return `${Math.floor(s / 3600)}h`;
  return `${Math.floor(s / 86400)}d`;
}

export const ago = (ms) => `${age(ms)} ago`;

export const left = (seconds) => (seconds > 0 ? span(Math.ceil(seconds) * 1000).replace(/\.0s$/, 's') : '');

// percent formats how much of a run is done, and never rounds up to 100.
export const percent = (run) => (run.known ? `${Math.floor((run.fraction ?? 0) * 100 + 1e-9)}%` : '–');

// clock formats the time of day, with the day if it is not today.
export function clock(text, now) {
  const t = new Date(text);
  const time = `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
  return sameDay(t, now) ? time : `${day(t)} ${time}`;
}

// shortClock formats the time of day without seconds, or only the day if it is not
// today.
export function shortClock(text, now) {
  const t = new Date(text);
  return sameDay(t, now) ? `${two(t.getHours())}:${two(t.getMinutes())}` : day(t);
}

const sameDay = (t, now) => t.toDateString() === new Date(now).toDateString();
const day = (t) => t.toLocaleDateString('en', { day: 'numeric', month: 'short' });

// full formats a time with its date and its zone.
export const full = (text) => {
  const t = new Date(text);
  return `${t.toLocaleDateString('en', { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' })} ${clock(text, t)} ${offset(t)}`;
};

const offset = (t) => {
  const m = -t.getTimezoneOffset();
  return m ? `UTC${m < 0 ? '\u2212' : '+'}${Math.floor(Math.abs(m) / 60)}${m % 60 ? ':' + two(Math.abs(m) % 60) : ''}` : 'UTC';
};

// zone names the time zone of all times on the page.
export function zone() {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone, utc = offset(new Date());
  return utc === 'UTC' || !name ? utc : `${name} (${utc})`;
}

const running = {
  MirroringJobInitialized: 'initialized', MirroringPackageInitialized: 'packaging', Transferring: 'transferring',
  Transferred: 'importing', MirroringPackageCompleted: 'imported',
};
const failed = { ExportingError: 'export failed', TransferringError: 'transfer failed', ImportingError: 'import failed' };

// standings are how a run can stand, with a word for each, in the order in which
// the page counts them.
export const standings = new Map([
  ['running', 'running'], ['succeeded', 'succeeded'], ['succeededWithErrors', 'with errors'], ['failed', 'failed'], ['cancelled', 'cancelled'], ['lost', 'lost'],
]);

// standing returns how a run stands. It is also the name of the colour. A run with
// an outcome that is unknown here counts as failed.
export function standing(run) {
  if (run.running) return 'running';
  if (run.lost) return 'lost';
  const outcome = (run.outcome ?? '').replace(/^./, (c) => c.toLowerCase());
  return standings.has(outcome) ? outcome : 'failed';
}

// scans reports whether a run works out what there is to do.
export const scans = (run) => Boolean(run.running && run.state === 'MirroringJobInitialized' && (run.item || run.progress.filesChecked));

// scanned says what a run is scanning.
export const scanned = (run) => [run.progress.filesChecked ? `${plural(run.progress.filesChecked, 'file')} checked` : '', run.item].filter(Boolean).join(' · ');

export function runWord(run) {
  const how = standing(run);
  if (scans(run)) return 'scanning';
  if (how === 'running') return running[run.state] ?? 'running';
  return (how === 'failed' && failed[run.state]) || standings.get(how);
}

// dryRun returns the mark of a dry run, with a space, or nothing.
export const dryRun = (of) => (of?.dryRun ? '[dry run] ' : '');

// besides says what a run did apart from moving files.
export function besides(p) {
  const all = [[p.filesSkipped, 'skipped'], [p.filesDeleted, 'deleted'], [p.filesChecked, 'checked'], [p.retries, p.retries === 1 ? 'retry' : 'retries']];
  return all.filter(([n]) => n).map(([n, text]) => `${count(n)} ${text}`);
}

const packed = { MirroringPackageInitialized: 'prepared', Transferring: 'transferring', Transferred: 'importing', MirroringPackageCompleted: 'imported' };

// packageStanding returns how a package stands: running, completed, failed or left.
export function packageStanding(p) {
  if (p.open) return 'running';
  if (failed[p.state]) return 'failed';
  return p.state === 'MirroringPackageCompleted' ? 'completed' : 'left';
}

export function packageWord(p) {
  return packageStanding(p) === 'left' ? 'left behind' : (failed[p.state] ?? packed[p.state] ?? 'running');
}

const losses = { gap: 'its end was among missed events', restart: 'the server was restarted', forgotten: 'too many runs were unfinished at once' };

// lossWord says why the end of a run was not seen.
export const lossWord = (lost) => losses[lost] ?? lost;

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// errorText formats an error of a run: #9 dir/file: no space left on device.
export const errorText = (e) => [e.package ? `#${e.package}` : '', visible([e.item, e.message].filter(Boolean).join(': '))].filter(Boolean).join(' ');

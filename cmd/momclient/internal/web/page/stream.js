// The stream of frames from the monitor, and the clock of the monitor.

const silence = 10_000; // a monitor that sends nothing for this long is away
const retry = 2_000;
const pause = 1_000; // between two questions of a tab without a stream
const hiddenPause = 10_000; // the same of a hidden tab
const hideAfter = 60_000; // a tab that is hidden for this long gives up its stream

let source, asking, last = '', again, hiding;
let flows = false; // a stream has sent something, so that no proxy keeps it back
let skew = 0; // by how many milliseconds the clock of the browser is behind that of the monitor
let heard = Date.now(); // when the monitor last sent something
let away = 0; // since when the monitor has not answered
let query = new URLSearchParams(); // the part of the page that is shown
let onFrame, onChange;

// A browser has at most six connections to a host, and each stream takes one. So
// only one tab has a stream: the one that began it last or that the user turned to
// last. The other tabs ask for a frame now and then.
const tabs = new BroadcastChannel('mom');
tabs.onmessage = () => source && poll();

// now returns the time by the clock of the monitor.
export const now = () => Date.now() + skew;

// awaySince returns when the monitor answered last, or 0 if it answers.
export const awaySince = () => away;

// start calls frame with each frame, and change if the monitor answers no longer or
// again.
export function start(frame, change) {
  onFrame = frame;
  onChange = change;
}

// show asks for another part of the page, from its whole state on.
export function show(part) {
  query = part;
  last = '';
  if (document.hidden) poll();
  else listen();
}

// address returns what to ask the monitor for: the part that is shown, from the last
// frame on.
function address() {
  const full = new URLSearchParams(query);
  if (last) full.set('last', last);
  return 'api/live?' + full;
}

// rest ends the stream or the question.
function rest() {
  clearTimeout(again);
  source?.close();
  asking?.abort();
  source = asking = undefined;
}

// listen begins a stream.
function listen() {
  rest();
  tabs.postMessage('this tab has the stream');
  source = new EventSource(address());
  const mine = source;
  heard = Date.now();
  mine.addEventListener('state', (e) => {
    if (mine !== source) return;
    flows = true;
    take(JSON.parse(e.data), e.lastEventId);
  });
  mine.addEventListener('beat', (e) => mine === source && answer(Number(e.data)));
  mine.addEventListener('error', () => {
    if (mine !== source) return;
    away ||= Date.now();
    if (mine.readyState === EventSource.CLOSED) again = setTimeout(listen, retry);
    onChange();
  });
}

// poll asks for a frame, again and again.
async function poll() {
  rest();
  const mine = asking = new AbortController();
  const timeout = setTimeout(() => mine.abort(), silence);
  try {
    const response = await fetch(address() + '&once', { signal: mine.signal });
    if (!response.ok) throw new Error(response.statusText);
    const { id, frame } = await response.json();
    if (mine !== asking) return;
    take(frame, id);
  } catch {
    if (mine !== asking) return;
    away ||= Date.now();
    onChange();
  } finally {
    clearTimeout(timeout);
  }
  again = setTimeout(poll, document.hidden ? hiddenPause : pause);
}

function answer(time) {
  heard = Date.now();
  skew = time - heard;
  if (away) {
    away = 0;
    onChange();
  }
}

function take(frame, id) {
  answer(frame.now);
  last = id;
  onFrame(frame);
}

// Once a second, because a stream may be dead without an error.
setInterval(() => {
  if (source && Date.now() - heard > silence && source.readyState !== EventSource.CLOSED) {
    away ||= heard;
    if (flows) listen();
    else poll(); // perhaps a proxy keeps the stream back
  }
}, 1000);

document.addEventListener('visibilitychange', () => {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(poll, hideAfter);
  else turnedTo();
});
addEventListener('focus', turnedTo);

function turnedTo() {
  if (!source) listen();
  onChange();
}

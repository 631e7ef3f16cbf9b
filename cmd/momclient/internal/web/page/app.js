// The page: which part of it is shown, the state that the monitor streams to
// the page, and the connections to the monitor and to the server.

import { el, setAttr, setHidden, setText } from './draw.js';
import { jobPage } from './job.js';
import { overview } from './overview.js';
import * as word from './words.js';

const silence = 10_000; // a monitor that sends nothing for this long is away
const retry = 2_000;
const pause = 1_000; // between two questions of a tab without a stream
const hiddenPause = 10_000; // the same of a hidden tab
const hideAfter = 60_000; // a tab that is hidden for this long gives up its stream

const main = document.getElementById('main');
const linkNode = document.getElementById('link');
const notice = document.getElementById('notice');
const said = document.getElementById('said');

// A browser has at most six connections to a host, and each stream takes one. So
// only one tab has a stream: the one that began it last or that the user turned to
// last. The other tabs ask for a frame now and then.
const tabs = new BroadcastChannel('mom');
tabs.onmessage = () => source && poll();

let source, asking, last = '', again, hiding;
let flows = false; // a stream has sent something, so that no proxy keeps it back
let state = new Map();
let shown, route;
let skew = 0; // by how many milliseconds the clock of the browser is behind that of the monitor
let heard = Date.now(); // when the monitor last sent something
let away = 0; // since when the monitor has not answered
let build;

const now = () => Date.now() + skew;

// Routes: #/ and #/job/ID and #/job/ID/run/ID.
function parse(hash) {
  const id = '[0-9a-f-]{36}';
  const m = new RegExp(`^#/job/(${id})(?:/run/(${id}))?$`).exec(hash);
  return m ? { job: m[1], run: m[2] } : {};
}

function go() {
  const first = !shown;
  route = parse(location.hash);
  state = new Map();
  last = '';
  shown = route.job ? jobPage(main, route) : overview(main);
  scrollTo(0, 0);
  if (document.hidden) poll();
  else listen();
  if (!first) shown.focus();
}

// address returns what to ask the monitor for: the part that is shown, from the last
// frame on.
function address() {
  const query = new URLSearchParams();
  if (route.job) query.set('job', route.job);
  if (route.run) query.set('run', route.run);
  if (last) query.set('last', last);
  return 'api/live?' + query;
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
    soon();
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
    soon();
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
    soon();
  }
}

// take applies a frame to the state.
function take(frame, id) {
  answer(frame.now);
  last = id;
  if (frame.full) state = new Map();
  for (const key in frame.set) state.set(key, frame.set[key]);
  for (const key of frame.gone ?? []) state.delete(key);
  build ??= state.get('build');
  if (state.get('build') !== build) return location.reload(); // the monitor has another version
  setTitle();
  soon();
}

function setTitle() {
  const title = shown.title(state);
  if (document.title !== title) document.title = title;
}

// soon draws with the next frame of the screen.
let waits = false;
function soon() {
  if (waits) return;
  waits = true;
  requestAnimationFrame(() => {
    waits = false;
    draw();
  });
}

function draw() {
  if (state.size) shown.draw(state, now());
  drawLink();
}

function drawLink() {
  const c = state.get('connection');
  const [kind, text] = away ? ['down', 'The monitor does not answer'] : !c ? ['wait', 'Connecting'] : standing(c);
  const words = [el('span', { class: 'pill', 'data-kind': kind }, el('bdi', {}, text))];
  if (c && !away) {
    const extra = [];
    if (c.connected) extra.push(`since ${word.clock(c.since, now())}`);
    if (c.resumed) extra.push(`resumed ${c.resumed}×`);
    if (c.restarts) extra.push(`server restarted ${c.restarts}×`);
    if (extra.length) words.push(el('span', { class: 'soft' }, extra.join(' · ')));
    if (c.epoch) words.push(el('span', { class: c.missed ? 'missed' : 'soft' }, c.missed === 1 ? '1 event missed' : `${word.count(c.missed)} events missed`));
  }
  if (linkNode.textContent !== words.map((node) => node.textContent).join('')) linkNode.replaceChildren(...words);
  setAttr(document.body, 'data-link', kind);
  const [long, why] = away ? [awayText(), ''] : c && !c.connected ? lostText(c) : ['', ''];
  if (notice.textContent !== long + why) notice.replaceChildren(long, el('span', {}, el('bdi', {}, why)));
  setHidden(notice, !long);
  if (state.size || away) setText(said, `${text}.`);
}

// standing describes the connection of the monitor to the server.
function standing(c) {
  const server = word.visible(c.server);
  if (c.state === 'draining' && c.connected) return ['wait', `${server} is shutting down`];
  if (c.connected) return ['up', `Connected to ${server}`];
  if (c.final) return ['down', `${server} refused the monitor`];
  if (c.state === 'connecting') return ['wait', `Connecting to ${server}`];
  if (c.state === 'closed') return ['down', 'The monitor is closing'];
  return ['down', c.epoch ? `Lost ${server}` : `No answer from ${server}`];
}

// lostText describes why there is no connection to the server.
function lostText(c) {
  const why = c.error ? ' ' + word.visible(c.error) : '';
  if (c.final) return ['The server refused the monitor, which does not try again. Correct the error, and start momclient again.', why];
  if (c.state === 'connecting') return ['', ''];
  const wait = c.nextTry ? Math.ceil((Date.parse(c.nextTry) - now()) / 1000) : 0;
  const next = ` Trying again ${wait > 0 ? 'in ' + word.left(wait) : 'now'}.`;
  if (!c.epoch) return [`No answer since ${word.clock(c.since, now())}.${next}`, why];
  return [`The server has been away since ${word.clock(c.since, now())}; the page shows the state of that time.${next}`, why];
}

function awayText() {
  const from = state.size ? ' What is shown is from then.' : '';
  return `momclient has not answered since ${word.clock(away, Date.now())}. It has ended, or cannot be reached.${from} Trying again.`;
}

// Once a second, because ages change, and a stream may be dead without an error.
setInterval(() => {
  if (source && Date.now() - heard > silence && source.readyState !== EventSource.CLOSED) {
    away ||= heard;
    if (flows) listen();
    else poll(); // perhaps a proxy keeps the stream back
  }
  soon();
}, 1000);

document.addEventListener('visibilitychange', () => {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(poll, hideAfter);
  else turnedTo();
});
addEventListener('focus', turnedTo);

function turnedTo() {
  if (!source) listen();
  soon();
}

document.querySelector('.skip').addEventListener('click', (e) => {
  e.preventDefault(); // #main is not a route
  main.focus();
});
addEventListener('hashchange', go);
go();

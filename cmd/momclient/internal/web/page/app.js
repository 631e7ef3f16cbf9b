// The page: which part of it is shown, and the state that the monitor streams to it.

import { notify } from './alerts.js';
import { drawHead } from './head.js';
import { jobPage } from './job.js';
import './keys.js';
import { overview } from './overview.js';
import { parse } from './route.js';
import { setServers } from './servers.js';
import * as stream from './stream.js';
import { drawTab } from './tab.js';

const main = document.getElementById('main');

let state = new Map();
let shown, route, build;
let overviewAt = '#/'; // the address of the overview that was shown last
const scrolls = new Map(); // how far each part was scrolled, by its address

function go(e) {
  const before = route;
  route = parse(location.hash);
  if (before && !before.job) overviewAt = new URL(e.oldURL).hash || '#/'; // route does not have what was chosen since
  if (shown && part(before) === part(route)) { // only what is chosen in it has changed
    shown.turn(route);
    return soon();
  }
  if (shown) scrolls.set(part(before), scrollY);
  state = new Map();
  const first = !shown, to = scrolls.get(part(route)) ?? 0;
  shown = route.job ? jobPage(main, route, overviewAt) : overview(main, route, before);
  if (first || route.job) scrollTo(0, 0);
  else shown.scroll = to; // as soon as there is something to scroll
  const query = new URLSearchParams();
  for (const name of ['job', 'run']) if (route[name]) query.set(name, route[name]);
  if (route.job && route.server !== undefined) query.set('server', route.server);
  stream.show(query);
  if (!first) shown.focus();
}

// part names the part of the page that a route shows.
const part = (r) => (r.job ? `${r.server ?? ''}\n${r.job}\n${r.run ?? ''}` : '');

// take applies a frame to the state.
function take(frame) {
  if (frame.full) state = new Map();
  for (const key in frame.set) state.set(key, frame.set[key]);
  for (const key of frame.gone ?? []) state.delete(key);
  build ??= state.get('build');
  if (state.get('build') !== build) return location.reload(); // the monitor has another version
  setServers(state);
  notify(state);
  soon();
}

// soon draws with the next frame of the screen, or now if there is none, because a
// hidden tab has a title and an icon, too.
let waits = false;
function soon() {
  if (document.hidden) return drawTab(state, shown);
  if (waits) return;
  waits = true;
  requestAnimationFrame(() => {
    waits = false;
    draw();
  });
}

function draw() {
  const now = stream.now();
  if (state.size) shown.draw(state, now);
  if (state.size && shown.scroll) {
    scrollTo(0, shown.scroll);
    shown.scroll = 0;
  }
  drawHead(state, now);
  drawTab(state, shown);
}

setInterval(soon, 1000); // because ages change
addEventListener('mom-draw', soon);

document.querySelector('.skip').addEventListener('click', (e) => {
  e.preventDefault(); // #main is not a route
  main.focus();
});
addEventListener('hashchange', go);
stream.start(take, soon);
go();

// Notifications on the desktop for those who switch them on: a job has failed or is
// lost, or a server is away. The tag of a notification makes one of those that several
// tabs show.

import { el, setAttr, setHidden, setText } from './draw.js';
import { jobHref } from './route.js';
import { servers, several } from './servers.js';
import { icon } from './tab.js';
import * as word from './words.js';

const stored = 'mom.notify';
const offered = 'Notification' in window && window.isSecureContext;

const button = el('button', { type: 'button', class: 'chip notify', 'aria-pressed': 'false' });
document.getElementById('tools').append(button);
button.addEventListener('click', async () => {
  if (on()) store('off');
  else if ((await Notification.requestPermission()) === 'granted') store('on');
  drawButton();
});
addEventListener('storage', drawButton); // another tab has switched them

let chosen = 'off'; // if the browser stores nothing

function store(choice) {
  chosen = choice;
  try {
    localStorage.setItem(stored, choice);
  } catch {} // the choice then holds for this tab
}

function choice() {
  try {
    return localStorage.getItem(stored) ?? chosen;
  } catch {
    return chosen;
  }
}

const on = () => offered && Notification.permission === 'granted' && choice() === 'on';

function drawButton() {
  setHidden(button, !offered);
  if (!offered) return;
  const denied = Notification.permission === 'denied';
  setText(button, denied ? 'Notifications are blocked' : on() ? 'Notifications are on' : 'Notify me');
  setAttr(button, 'title', denied ? 'The browser blocks notifications of this page' : 'A notification on the desktop if a job fails or is lost, or a server is away');
  setAttr(button, 'aria-pressed', on());
  button.disabled = denied;
}
drawButton();

let known; // what the last frame had, or undefined before the first frame

// notify compares the state with the last one.
export function notify(state) {
  if (!state.has('troubles')) return;
  const bad = new Map();
  for (const t of state.get('troubles')) {
    if (t.kind === 'errors') continue;
    const name = word.visible(t.name || t.id), server = several() ? ` on ${word.visible(servers()[t.server].name)}` : '';
    bad.set(`${t.server}/${t.id}/${t.kind}`, [`${name}${server}: ${t.kind}`, word.visible(t.why ?? ''), jobHref(t.server, t.id)]);
  }
  for (const [i, c] of servers().entries()) {
    if (!c.connected && c.epoch) bad.set(`server/${i}`, [`Lost ${word.visible(several() ? c.name : c.server)}`, word.visible(c.error ?? ''), '#/']);
  }
  if (known && on()) for (const [tag, what] of bad) if (!known.has(tag)) tell(tag, ...what);
  known = bad;
}

function tell(tag, title, body, href) {
  let n;
  try {
    n = new Notification(title, { body, tag: `mom ${tag}`, icon: icon(tag.startsWith('server/') ? 'lost' : 'failed') });
  } catch {
    return; // browsers of phones have only those of service workers
  }
  n.onclick = () => {
    window.focus();
    location.hash = href;
    n.close();
  };
}

// The head of the page: the connections to the monitor and to the servers, and what is
// wrong with them.

import { el, keyed, setAttr, setHidden, setText } from './draw.js';
import { lostText, servers, several, standing } from './servers.js';
import { awaySince } from './stream.js';
import * as word from './words.js';

const maxLost = 5; // servers in the notice

const linkNode = document.getElementById('link');
const notice = document.getElementById('notice');
const said = document.getElementById('said');

export function drawHead(state, now) {
  const away = awaySince(), all = servers();
  const [kind, text] = away ? ['down', 'The monitor does not answer'] : !all.length ? ['wait', 'Connecting'] : several() ? together(all) : standing(all[0]);
  const words = [el('span', { class: 'pill', 'data-kind': kind }, el('bdi', {}, text))];
  if (all.length && !away) {
    const extra = [], sum = (of) => all.reduce((n, c) => n + (of(c) || 0), 0);
    const resumed = sum((c) => c.resumed), restarts = sum((c) => c.restarts), missed = sum((c) => c.missed);
    if (!several() && all[0].connected) extra.push(`since ${word.clock(all[0].since, now)}`);
    if (resumed) extra.push(`resumed ${resumed}×`);
    if (restarts) extra.push(`${several() ? 'servers' : 'server'} restarted ${restarts}×`);
    if (extra.length) words.push(el('span', { class: 'soft' }, extra.join(' · ')));
    if (all.some((c) => c.epoch)) words.push(el('span', { class: missed ? 'missed' : 'soft' }, missed === 1 ? '1 event missed' : `${word.count(missed)} events missed`));
  }
  if (linkNode.textContent !== words.map((node) => node.textContent).join('')) linkNode.replaceChildren(...words);
  setAttr(document.body, 'data-link', kind);
  drawNotice(state, now, away, all);
  if (state.size || away) setText(said, `${text}.`);
}

// together describes the connections to several servers.
function together(all) {
  const up = all.filter((c) => c.connected).length;
  if (up === all.length) return ['up', `All ${up} servers are connected`];
  return [up ? 'wait' : 'down', `${up} of ${all.length} servers are connected`];
}

function drawNotice(state, now, away, all) {
  const lines = [];
  if (away) lines.push(['', awayText(state, away), '']);
  else for (const c of all) if (!c.connected) {
    const [long, why] = lostText(c, now);
    if (long) lines.push([several() ? word.visible(c.name) : '', long, why]);
  }
  const more = lines.length - maxLost;
  if (more > 0) lines.splice(maxLost, more, ['', `${word.plural(more, 'more server')} cannot be reached.`, '']);
  keyed(notice, lines.map((_, i) => i), () => {
    const who = el('b'), long = el('span'), why = el('bdi');
    return { node: el('p', {}, who, long, el('span', { class: 'soft' }, why)), who, long, why };
  }, (row, i) => {
    setText(row.who, lines[i][0] && lines[i][0] + ': ');
    setText(row.long, lines[i][1]);
    setText(row.why, lines[i][2]);
  });
  setHidden(notice, lines.length === 0);
}

function awayText(state, away) {
  const from = state.size ? ' What is shown is from then.' : '';
  return `momclient has not answered since ${word.clock(away, Date.now())}. It has ended, or cannot be reached.${from} Trying again.`;
}

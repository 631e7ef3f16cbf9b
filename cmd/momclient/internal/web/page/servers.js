// The servers: their names, and how the monitor is connected to each of them.

import * as word from './words.js';

let all = [], short = [];

// setServers takes the servers from the state.
export function setServers(state) {
  all = [];
  for (let i = 0; state.has('server/' + i); i++) all.push(state.get('server/' + i));
  short = shorten(all.map((c) => c.name));
}

// shorten returns the names of several servers without a domain or a port in which all
// of them end, or else without a host that all of them have.
function shorten(names) {
  if (names.length < 2) return names;
  let tail = names[0], head = names[0];
  for (const name of names) {
    while (!name.endsWith(tail)) tail = tail.slice(1);
    while (!name.startsWith(head)) head = head.slice(0, -1);
  }
  const end = tail.search(/[.:]/);
  if (end >= 0 && names.every((name) => name.length > tail.length - end)) return names.map((name) => name.slice(0, name.length - tail.length + end));
  return head.includes(':') ? names.map((name) => name.slice(head.lastIndexOf(':'))) : names;
}

export const servers = () => all;
export const several = () => all.length > 1;
export const nameOf = (i) => all[i]?.name ?? '';
export const shortOf = (i) => short[i] ?? '';

// old reports whether what is shown of a server may be out of date.
export const old = (i) => Boolean(all[i] && !all[i].connected);

// standing describes the connection to a server: its kind, and a text.
export function standing(c) {
  const server = word.visible(several() ? c.name : c.server);
  if (c.state === 'draining' && c.connected) return ['wait', `${server} is shutting down`];
  if (c.connected) return ['up', `Connected to ${server}`];
  if (c.final) return ['down', `${server} refused the monitor`];
  if (!c.state || c.state === 'connecting') return ['wait', `Connecting to ${server}`];
  if (c.state === 'closed') return ['down', 'The monitor is closing'];
  return ['down', c.epoch ? `Lost ${server}` : `No answer from ${server}`];
}

// lostText describes why there is no connection to a server.
export function lostText(c, now) {
  const why = c.error ? ' ' + word.visible(c.error) : '';
  if (c.final) return ['The server refused the monitor, which does not try again. Correct the error, and start momclient again.', why];
  if (!c.state || c.state === 'connecting') return ['', ''];
  const wait = c.nextTry ? Math.ceil((Date.parse(c.nextTry) - now) / 1000) : 0;
  const next = ` Trying again ${wait > 0 ? 'in ' + word.left(wait) : 'now'}.`;
  if (!c.epoch) return [`No answer since ${word.clock(c.since, now)}.${next}`, why];
  const shows = several() ? 'its jobs are shown as they were then' : 'the page shows the state of that time';
  return [`The server has been away since ${word.clock(c.since, now)}; ${shows}.${next}`, why];
}

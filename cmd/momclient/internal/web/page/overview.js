// The page of all jobs.

import { el, keyed, setAttr, setHidden, setText } from './draw.js';
import { glance } from './glance.js';
import { drawLines } from './logrow.js';
import { columns, isStale, ordering, parseSort } from './order.js';
import { receivers } from './past.js';
import { overviewHref } from './route.js';
import { nameOf, old, servers, several } from './servers.js';
import { table } from './table.js';
import * as word from './words.js';

const maxRows = 2000; // of the list, because more would slow the browser down
const maxServers = 6; // with a chip each; if there are more, the chips can be opened

// The chips: one for each way in which a run can stand, and one for the jobs without a
// success for a day.
const stands = [...word.standings, ['stale', 'not succeeded for a day']];

// troubleOf has for a standing the trouble that a job may still have while it runs again.
const troubleOf = { failed: 'failed', lost: 'lost', succeededWithErrors: 'errors' };

function standsAs(j, standing, now) {
  if (standing === 'stale') return isStale(j, now);
  return troubleOf[standing] ? j.trouble === troubleOf[standing] : word.standing(j) === standing;
}

// overview shows the page with the choices of the route. before is the route of the
// page that was shown before.
export function overview(main, route, before) {
  const title = el('h1', { tabindex: -1, class: 'unseen' }, 'All jobs');
  const top = glance();
  const chips = el('div', { class: 'chips', role: 'group', 'aria-label': 'Show only' });
  const serverChips = el('div', { class: 'chips', role: 'group', 'aria-label': 'Show only the servers' });
  const search = el('input', { type: 'search', placeholder: 'Filter by name (/)', 'aria-label': 'Filter jobs by name', 'aria-keyshortcuts': '/', autocomplete: 'off', spellcheck: 'false' });
  const summary = el('summary'), serverList = el('details', { class: 'servers' }, summary, serverChips);
  const sort = el('select', { 'aria-label': 'Sort by' }, el('option', { value: '' }, 'Sort: failed first'), ...columns.map((c) => el('option', { value: (c.down ? '-' : '') + c.key }, `Sort: ${c.text.toLowerCase()}`)));
  const list = table((to) => turn({ sort: to }));
  const body = el('div', { class: 'card' }, list.node);
  const empty = el('div', { class: 'empty' });
  const more = el('p', { class: 'soft' });
  const problems = el('ol', { class: 'log', id: 'problems' });
  const below = el('section', {}, el('h2', { id: 'problems-title', tabindex: -1 }, 'Latest warnings and errors'), el('div', { class: 'card' }, problems));
  const tools = el('div', { class: 'tools' }, chips, serverList, el('div', { class: 'find' }, sort, search));
  const told = receivers();
  main.replaceChildren(title, top.node, tools, told.node, body, empty, more, below, told.calm);
  const rows = ordering();
  let redraw = () => {};

  for (const [standing, text] of stands) {
    const n = el('b', {}, '0');
    const chip = el('button', { type: 'button', class: 'chip', 'data-standing': standing, 'aria-pressed': 'false' }, n, ' ' + text);
    chip.count = n;
    chip.addEventListener('click', () => turn({ show: route.show === standing ? '' : standing }));
    chips.append(chip);
  }
  search.addEventListener('input', () => turn({ find: search.value }, true));
  sort.addEventListener('change', () => turn({ sort: sort.value }));
  for (const event of ['pointermove', 'pointerdown', 'keydown', 'focusin', 'wheel', 'touchmove']) body.addEventListener(event, rows.touch, { passive: true });

  // turn changes what is chosen, in the address too. Typing makes no new entry in the
  // history of the browser.
  function turn(change, typed) {
    route = { ...route, ...change };
    history[typed ? 'replaceState' : 'pushState'](null, '', overviewHref(route));
    choose();
    redraw();
  }

  function choose() {
    for (const chip of chips.children) setAttr(chip, 'aria-pressed', chip.dataset.standing === route.show);
    for (const chip of serverChips.children) setAttr(chip, 'aria-pressed', route.servers.includes(chip.server));
    if (search.value !== route.find) search.value = route.find;
    const by = parseSort(route.sort)?.column;
    sort.value = by ? (by.down ? '-' : '') + by.key : '';
  }

  function drawChips(jobs, now) {
    for (const chip of chips.children) {
      const n = jobs.filter((j) => standsAs(j, chip.dataset.standing, now)).length;
      setText(chip.count, word.count(n));
      setHidden(chip, n === 0 && route.show !== chip.dataset.standing && chip.dataset.standing !== 'running');
    }
    setHidden(serverList, !several());
    if (!several()) return;
    const few = servers().length <= maxServers, lost = servers().filter((c) => !c.connected).length;
    setHidden(summary, few);
    if (few || !serverList.drawn) serverList.open = few || route.servers.length > 0;
    serverList.drawn = true;
    setText(summary, `${servers().length} servers${lost ? `, ${lost} not connected` : ''}`);
    const of = new Map();
    for (const j of jobs) of.set(j.server, (of.get(j.server) ?? 0) + 1);
    keyed(serverChips, servers().map((_, i) => i), (i) => {
      const n = el('span', { class: 'soft' }), node = el('button', { type: 'button', class: 'chip server' }, el('bdi', {}, word.visible(nameOf(i))), ' ', n);
      node.server = nameOf(i);
      setAttr(node, 'aria-pressed', route.servers.includes(node.server));
      node.addEventListener('click', () => turn({ servers: route.servers.includes(node.server) ? route.servers.filter((s) => s !== node.server) : [...route.servers, node.server] }));
      return { node, n };
    }, (row, i) => {
      setText(row.n, old(i) ? 'not connected' : String(of.get(i) ?? 0));
      setAttr(row.node, 'data-old', old(i) ? 'yes' : '');
    });
  }

  choose();
  return {
    title(state) {
      const n = state.get('counts');
      if (!n) return '';
      const bad = state.get('troubled');
      const said = [['failed', bad.failed], ['lost', bad.lost], ['with errors', bad.errors], ['running', n.running]];
      return said.filter(([, count]) => count).map(([text, count]) => `${count} ${text}`).join(', ');
    },
    focus() {
      title.focus({ preventScroll: true });
      this.back = before; // to the row of the job that was shown, as soon as there is one
    },
    turn(to) {
      route = to;
      choose();
    },
    draw(state, now) {
      redraw = () => this.draw(state, now);
      const jobs = jobsOf(state);
      const log = top.draw(state, jobs, now);
      drawChips(jobs, now);
      const text = route.find.toLowerCase();
      const matching = jobs.filter((j) => (!route.show || standsAs(j, route.show, now))
        && (!route.servers.length || route.servers.includes(nameOf(j.server)))
        && (!text || j.label.toLowerCase().includes(text)));
      const shown = rows.order(matching, route.sort, [route.show, route.find, ...route.servers].join('\n'), now);
      list.draw(shown.slice(0, maxRows), jobs.length, route.sort, now);
      setHidden(body, shown.length === 0);
      setHidden(tools, jobs.length === 0);
      setHidden(search, jobs.length < 4 && !route.find);
      setHidden(sort, jobs.length < 4 && !route.sort);
      drawEmpty(empty, jobs.length, shown.length);
      const forgotten = state.get('forgotten') ?? 0;
      const notes = [
        shown.length > maxRows ? `${word.plural(shown.length - maxRows, 'more job')} not listed: filter the jobs, or sort by another column.` : '',
        forgotten ? `${word.plural(forgotten, 'job')} forgotten, because they ended longer ago.` : '',
      ];
      setText(more, notes.filter(Boolean).join(' '));
      drawLines(problems, log, state, now);
      setHidden(below, log.size <= 3); // all of them are at the top
      told.draw(state.get('receivers') ?? [], now);
      if (this.back) {
        const from = [...list.node.querySelectorAll('.job a')].find((a) => a.getAttribute('href').includes(this.back.job));
        from?.focus({ preventScroll: true });
        this.back = undefined;
      }
    },
  };
}

// jobsOf returns the jobs in the state. The key of a job is SERVER/ID.
function jobsOf(state) {
  const all = [];
  for (const [part, j] of state) {
    if (!part.startsWith('job/')) continue;
    j.key ??= part.slice(4);
    if (j.server === undefined) {
      const slash = j.key.indexOf('/');
      [j.server, j.id] = [Number(j.key.slice(0, slash)), j.key.slice(slash + 1)];
      j.label = j.name || j.id;
    }
    const past = state.get('past/' + j.key);
    if (j.past !== past) j.past = past;
    all.push(j);
  }
  return all;
}

function drawEmpty(node, jobs, shown) {
  const all = servers();
  setHidden(node, shown > 0 || !all.length);
  if (!all.length) return;
  const names = several() ? `${all.length} servers` : word.visible(all[0].server || 'The server');
  let head = 'No job matches', text = 'No job has this name and state. Remove the filter to see all jobs.';
  if (jobs === 0 && all.some((c) => c.connected)) {
    head = 'No job yet';
    text = `Connected to ${several() ? `${all.filter((c) => c.connected).length} of ${names}` : names}. A job appears here as soon as it begins.`;
  } else if (jobs === 0) {
    head = 'Waiting for the server';
    text = `${names} ${several() ? 'have' : 'has'} not answered yet. Is momserver running there? The monitor goes on trying.`;
  }
  if (node.textContent !== head + text) node.replaceChildren(el('h2', {}, head), el('p', {}, text));
}

// The keys: / goes to the filter, the arrows go from job to job, and Escape goes back.

import { setText } from './draw.js';
import * as word from './words.js';

setText(document.getElementById('zone'), `All times are in ${word.zone()}.`);

const typing = (node) => node.matches('input:not([type=radio]), select, textarea');
const links = () => [...document.querySelectorAll('.jobs tbody .job a')];

document.addEventListener('keydown', (e) => {
  if (e.ctrlKey || e.altKey || e.metaKey || e.isComposing) return;
  const search = document.querySelector('input[type=search]'), at = e.target;
  const filters = search && !search.hidden;
  if (e.key === '/' && !typing(at) && filters) {
    search.focus();
    search.select();
  } else if (e.key === 'Escape' && at === search && search.value) {
    search.value = '';
    search.dispatchEvent(new Event('input'));
  } else if (e.key === 'Escape' && !search) {
    document.querySelector('.crumbs a')?.click();
  } else if (e.key === 'ArrowDown' && (at === search || at === document.body && links()[0])) {
    links()[0]?.focus();
  } else if (['ArrowDown', 'ArrowUp', 'Home', 'End'].includes(e.key) && at.closest('.jobs tbody')) {
    const all = links(), i = all.indexOf(at.closest('tbody').querySelector('.job a'));
    const to = { ArrowDown: all[i + 1], ArrowUp: all[i - 1] ?? (filters ? search : undefined), Home: all[0], End: all.at(-1) }[e.key];
    if (!to) return;
    to.focus();
  } else return;
  e.preventDefault();
});

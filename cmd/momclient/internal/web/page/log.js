// The log of a run.

import { el, keyed, setAttr, setHidden, setText } from './draw.js';
import { logKeys, logRow } from './logrow.js';
import * as word from './words.js';

export function log() {
  const list = el('ol', { class: 'log', 'data-from': 'Processing' });
  const none = el('p', { class: 'soft' }), older = el('p', { class: 'soft' });
  const counts = {};
  const choices = el('fieldset', { class: 'choices' }, el('legend', { class: 'unseen' }, 'Show the log from'));
  for (const [severity, text] of [['Processing', 'All'], ['Warning', 'Warnings and errors'], ['Error', 'Errors']]) {
    const input = el('input', { type: 'radio', name: 'severity', value: severity });
    input.checked = severity === 'Processing';
    counts[severity] = el('span', { class: 'soft' });
    input.addEventListener('change', () => {
      setAttr(list, 'data-from', severity);
      emptiness();
    });
    choices.append(el('label', {}, input, el('span', {}, text + ' ', counts[severity])));
  }
  const n = { Processing: 0, Warning: 0, Error: 0 };
  function emptiness() {
    const from = list.dataset.from;
    setText(none, n[from] ? '' : { Processing: 'Nothing was logged.', Warning: 'No warnings, no errors.', Error: 'No errors.' }[from]);
    setHidden(none, n[from] > 0);
  }
  const node = el('section', {}, el('div', { class: 'head' }, el('h2', { id: 'log-title' }, 'Log'), choices),
    el('div', { class: 'card scroll', tabindex: 0, role: 'region', 'aria-labelledby': 'log-title' }, list, none, older));
  return {
    node,
    // all shows entries of all severities.
    all() {
      const input = choices.querySelector('input');
      if (!input.checked) input.click();
    },
    draw(state, now) {
      const keys = logKeys(state);
      keyed(list, keys, (key) => logRow(key, state.get(key), now, true));
      n.Error = keys.filter((key) => state.get(key).severity === 'Error').length;
      n.Warning = n.Error + keys.filter((key) => state.get(key).severity === 'Warning').length;
      n.Processing = keys.length;
      for (const severity in counts) setText(counts[severity], String(n[severity]));
      const forgotten = state.get('logForgotten') ?? 0;
      setText(older, forgotten ? `${word.plural(forgotten, 'older line')} not shown.` : '');
      setHidden(older, !forgotten);
      emptiness();
    },
  };
}

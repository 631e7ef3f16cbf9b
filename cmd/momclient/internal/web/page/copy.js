// Texts to copy, such as IDs.

import { el, setText } from './draw.js';

// copyable returns a text with a button that copies it. A click on the text selects it.
export function copyable(label) {
  const text = el('code'), button = el('button', { type: 'button', 'aria-label': `Copy the ${label}` }, 'Copy');
  button.hidden = !navigator.clipboard; // only for pages that the browser trusts
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      setText(button, 'Copied');
    } catch {
      setText(button, 'Not copied');
    }
    setTimeout(() => setText(button, 'Copy'), 2000);
  });
  return { node: el('span', { class: 'copyable' }, el('span', { class: 'soft' }, `${label} `), text, ' ', button), set: (value) => setText(text, value) };
}

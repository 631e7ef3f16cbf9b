// Texts to copy, such as IDs.

import { el, setText } from './draw.js';

// copyable returns a text with a button that copies it. A click on the text selects it.
export function copyable(label) {
  const text = el('code'), button = el('button', { type: 'button', 'aria-label': `Copy the ${label}` }, 'Copy');
  button.addEventListener('click', async () => {
    setText(button, (await copy(text)) ? 'Copied' : 'Not copied');
    setTimeout(() => setText(button, 'Copy'), 2000);
  });
  return { node: el('span', { class: 'copyable' }, el('span', { class: 'soft' }, `${label} `), text, ' ', button), set: (value) => setText(text, value) };
}

// copy copies the text of an element, and reports whether it could.
async function copy(node) {
  try {
    await navigator.clipboard.writeText(node.textContent); // only if the browser trusts the page
    return true;
  } catch {
    getSelection().selectAllChildren(node);
    return document.execCommand('copy');
  }
}

// The title and the icon of the tab, which say what is the matter while the tab is not
// shown.

import { servers, several } from './servers.js';
import { awaySince } from './stream.js';
import * as word from './words.js';

const link = document.querySelector('link[rel=icon]');

// The icons are here, because a monitor that is away serves no files.
const drawings = {
  plain: '<rect width="32" height="32" rx="7" fill="#0b63ce"/><path d="M7 9h13M7 16h18M7 23h9" stroke="#fff" stroke-width="4" stroke-linecap="round"/>',
  failed: '<rect width="32" height="32" rx="7" fill="#c4202b"/><path d="M9.5 9.5l13 13M22.5 9.5l-13 13" stroke="#fff" stroke-width="4.5" stroke-linecap="round"/>',
  lost: '<path d="M16 2l14.5 26.5h-29z" fill="#b26a00" stroke="#b26a00" stroke-width="3" stroke-linejoin="round"/><path d="M16 11v8M16 24.2v.1" stroke="#fff" stroke-width="4" stroke-linecap="round"/>',
  running: '<circle cx="16" cy="16" r="15.5" fill="#0b63ce"/><path d="M12 9.5l10 6.5-10 6.5z" fill="#fff" stroke="#fff" stroke-width="2" stroke-linejoin="round"/>',
};

// icon returns the address of the icon of a kind.
export const icon = (kind) => 'data:image/svg+xml,' + encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${drawings[kind]}</svg>`);

export function drawTab(state, shown) {
  const lost = servers().filter((c) => !c.connected && c.state && c.state !== 'connecting');
  const away = awaySince() ? 'No monitor' : !lost.length ? '' : lost.length > 1 ? `${lost.length} servers lost` : `Lost ${word.visible(several() ? lost[0].name : lost[0].server)}`;
  const title = [away, state.size ? shown.title(state) : '', 'MoM'].filter(Boolean).join(' · ');
  if (document.title !== title) document.title = title;
  const now = kind(state, away);
  if (link.dataset.kind === now) return;
  link.dataset.kind = now;
  link.href = icon(now);
}

// kind returns the kind of the icon. away says what is away.
function kind(state, away) {
  const n = state.get('counts') ?? {}, kinds = new Set((state.get('troubles') ?? []).map((t) => t.kind));
  if (away) return 'lost';
  if (kinds.has('failed')) return 'failed';
  if (kinds.has('lost')) return 'lost';
  return n.running ? 'running' : 'plain';
}

// The title and the icon of the tab, which say what is the matter while the tab is not
// shown.

import { servers, several } from './servers.js';
import { awaySince } from './stream.js';
import * as word from './words.js';

const icon = document.querySelector('link[rel=icon]');

export function drawTab(state, shown) {
  const lost = servers().filter((c) => !c.connected && c.state && c.state !== 'connecting');
  const link = awaySince() ? 'No monitor' : !lost.length ? '' : lost.length > 1 ? `${lost.length} servers lost` : `Lost ${word.visible(several() ? lost[0].name : lost[0].server)}`;
  const title = [link, state.size ? shown.title(state) : '', 'MoM'].filter(Boolean).join(' · ');
  if (document.title !== title) document.title = title;
  const href = `icon${kind(state, link)}.svg`;
  if (icon.getAttribute('href') !== href) icon.setAttribute('href', href);
}

// kind returns the kind of the icon.
function kind(state, link) {
  const n = state.get('counts') ?? {}, kinds = new Set((state.get('troubles') ?? []).map((t) => t.kind));
  if (link) return '-lost';
  if (kinds.has('failed')) return '-failed';
  if (kinds.has('lost')) return '-lost';
  return n.running ? '-running' : '';
}

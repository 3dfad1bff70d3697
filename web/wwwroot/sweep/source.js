// What a sweep was made from.

import { html } from '../vendor/preact.js';
import { usePolled } from '../live.js';
import { to } from '../route.js';
import { Copy, Pending } from '../ui.js';

/** @import { SweepStatus } from '../types' */

/** @param {{ sweep: SweepStatus }} props */
export function Source({ sweep }) {
  const { data, fault } = usePolled(`/sweeps/${sweep.id}/spec`, 0);
  const source = /** @type {{ yaml: string, notes?: string[] | null } | undefined} */ (data);
  if (!source) return html`<${Pending} fault=${fault} />`;
  return html`<h2>Sweep file</h2><div class="row"><a class="button main" href=${to(['new'], { from: sweep.id })}>Repeat with changes</a><a class="button" download=${`${sweep.name.replaceAll(/[^\w.-]/g, '_')}.yaml`} href=${`data:application/yaml;charset=utf-8,${encodeURIComponent(source.yaml)}`}>Download the file</a><${Copy} text=${source.yaml} label="Copy the file" /></div>
    ${(source.notes ?? []).map((n, i) => html`<div class="note" key=${i}><p>${n}</p></div>`)}
    <pre tabindex="0">${source.yaml}</pre><p class="soft">The same sweep in a terminal: save it as <code>sweep.yaml</code>, then <code>lathe run sweep.yaml</code>.</p>`;
}

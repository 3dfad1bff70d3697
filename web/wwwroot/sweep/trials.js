// Trials of a search, a page at a time: what was chosen, and what came of it.

import { html, useState } from '../vendor/preact.js';
import { paths } from '../ahead.js';
import { counted, figure, head, number, parameter } from '../format.js';
import { useFollowed, usePolled } from '../live.js';
import { to } from '../route.js';
import { FaultNote, Pending, State, goesOn } from '../ui.js';

/** @import { ExecutionState, StageManifest, SweepStatus, Trial } from '../types' */

const atOnce = 50;

/** States of trials with the shape of an execution's state and their words. @type {Record<Trial['state'], { shape: ExecutionState, word: string, plural: string }>} */
const states = {
  done: { shape: 'completed', word: 'done', plural: 'done' },
  open: { shape: 'running', word: 'under way', plural: 'under way' },
  failed: { shape: 'failed', word: 'failed', plural: 'failed' },
  stopped: { shape: 'paused', word: 'stopped early', plural: 'stopped early' },
  pruned: { shape: 'skipped', word: 'left out', plural: 'left out, as they cannot keep the constraints' },
};

/** @param {{ search: NonNullable<SweepStatus['search']> }} props how a search stands, in a line */
export const SearchLine = ({ search }) => html`<p class="soft">Search by ${search.strategy}${search.trials ? `, ${search.trials} trials` : ''}: ${
  Object.entries(states).filter(([s]) => search.counts[s]).map(([s, { plural }]) => `${search.counts[s]} ${plural}`).join(', ')}</p>`;

/** @param {{ sweep: SweepStatus }} props */
export function Trials({ sweep }) {
  // Pages behind this one, by the trial after which each began.
  const [pages, setPages] = useState(/** @type {number[]} */ ([]));
  const after = pages.at(-1);
  const { data, fault } = useFollowed(`/sweeps/${sweep.id}/trials?limit=${atOnce}${after === undefined ? '' : `&after=${after}`}`, sweep.id, goesOn(sweep.state) ? 2000 : 10000, 1000);
  const { data: manifests } = usePolled(paths.stages, 0);
  const trials = /** @type {Trial[] | undefined} */ (data);
  if (!trials) return html`<${Pending} fault=${fault} />`;
  const metrics = new Map((/** @type {StageManifest[] | undefined} */ (manifests) ?? []).flatMap(m => m.metrics ?? []).map(m => [m.name, m]));
  const values = [...new Set(trials.flatMap(t => Object.keys(t.values)))];
  const figures = [...new Set(trials.flatMap(t => Object.keys(t.figures)))];
  const hasCourses = trials.some(t => t.epochs != null);
  const isBound = trials.some(t => t.violation > 0);
  const done = trials.filter(t => t.state === 'done').length;
  const title = (/** @type {string} */ name) => metrics.has(name) ? head(/** @type {NonNullable<ReturnType<typeof metrics.get>>} */ (metrics.get(name))) : name;
  return html`<${FaultNote} fault=${fault} />${trials.length === 0 ? html`<div class="empty"><p>No trial has been chosen yet.</p></div>` : html`
    <div class="wide" tabindex="0" role="region" aria-label="Trials"><table class="full"><thead><tr><th scope="col" class="text">Trial</th><th scope="col" class="text">State</th>${values.map(v => html`<th key=${v} scope="col">${v.replace('.', ' ')}</th>`)}
      ${figures.map(f => html`<th key=${f} scope="col" title=${metrics.get(f)?.description}>${title(f)}</th>`)}${hasCourses && html`<th scope="col" title="Epochs by which it was compared with the others">epochs</th>`}${isBound && html`<th scope="col" class="text">constraints</th>`}<th scope="col" class="text">Executions</th></tr></thead>
      <tbody>${trials.map(t => html`<tr key=${t.number}><td class="text">${t.number}</td><td class=${`text${t.reason ? ' wrap' : ''}`}><${State} state=${states[t.state].shape} word=${states[t.state].word} />${t.reason && html`<small>${t.reason}</small>`}</td>
        ${values.map(v => html`<td key=${v}>${v in t.values ? typeof t.values[v] === 'number' ? number(t.values[v]) : parameter(t.values[v]) : '–'}</td>`)}
        ${figures.map(f => html`<td key=${f}>${figure(t.figures[f], metrics.get(f)?.format)}</td>`)}${hasCourses && html`<td>${t.epochs ?? '–'}</td>`}${isBound && html`<td class="text">${t.state === 'open' || t.state === 'stopped' ? '' : t.violation > 0 ? html`<span class="failed">broken</span>` : 'kept'}</td>`}
        <td class="text">${t.executions.map((way, i) => html`${i > 0 && ' · '}${way.map((index, k) => html`${k > 0 && ' → '}<a key=${index} href=${to(['sweeps', sweep.id, 'executions', index])}>${index}</a>`)}`)}</td></tr>`)}</tbody></table></div>
    <div class="row filters"><button type="button" disabled=${pages.length === 0} onClick=${() => setPages(pages.slice(0, -1))}>Earlier</button>
      <button type="button" disabled=${trials.length < atOnce} onClick=${() => setPages([...pages, trials.at(-1)?.number ?? 0])}>Later</button><span class="soft">page ${pages.length + 1}</span></div>
    <p class="soft">${counted(done, 'trial')} of this page ${done === 1 ? 'is' : 'are'} done. Results shows them with every figure.${trials.some(t => t.state === 'stopped') ? ' A trial that was stopped early keeps its training state; resume its execution to let it go on.' : ''}</p>`}`;
}

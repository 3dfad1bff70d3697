// Executions of a sweep, a page at a time: a sweep may have more of them than a page should hold.

import { html, useEffect, useState } from '../vendor/preact.js';
import { paths } from '../ahead.js';
import { may, post } from '../api.js';
import { clock, counted, label, parameter } from '../format.js';
import { progressOf, useFollowed } from '../live.js';
import { setQuery, to } from '../route.js';
import { FaultNote, Pending, State, ask, goesOn, restOf, say, sayFault, states, useKeptFocus } from '../ui.js';

/** @import { ExecutionPage, ExecutionStatus, SweepStatus } from '../types' */

/** @param {{ sweep: SweepStatus, query: URLSearchParams, again: () => void }} props */
export function Executions({ sweep, query, again: sweepAgain }) {
  const state = query.get('state') ?? '';
  const stage = query.get('stage') ?? '';
  // Pages behind this one, by the index after which each began.
  const [pages, setPages] = useState(/** @type {(number | null)[]} */ ([]));
  const after = pages.at(-1) ?? null;
  const { data, fault, again } = useFollowed(paths.executions(sweep.id, after, state, stage), sweep.id, goesOn(sweep.state) ? 2000 : 10000, 1000);
  const page = /** @type {ExecutionPage | undefined} */ (data);
  const [chosen, choose] = useState(/** @type {ReadonlySet<number>} */ (new Set()));
  useEffect(() => setPages([]), [state, stage]);
  const shown = page?.executions ?? [];
  const picked = shown.filter(e => chosen.has(e.index));

  return html`<div class="row filters"><label class="check">State <select value=${state} onChange=${(/** @type {any} */ e) => setQuery({ state: e.target.value })}><option value="">every</option>${states.map(s => html`<option key=${s} value=${s}>${s === 'completed' ? 'done' : s}</option>`)}</select></label>
      <label class="check">Stage <select value=${stage} onChange=${(/** @type {any} */ e) => setQuery({ stage: e.target.value })}><option value="">every</option>${[...new Set(sweep.steps.map(s => s.stage))].map(s => html`<option key=${s} value=${s}>${s}</option>`)}</select></label></div>
    ${page && html`<${FaultNote} fault=${fault} />`}
    ${page && (shown.length > 0 || picked.length > 0) && may('submit') && html`<${Bulk} id=${sweep.id} picked=${picked} done=${() => { choose(new Set()); again(); sweepAgain(); }} />`}
    ${!page ? html`<${Pending} fault=${fault} />` : shown.length === 0 ? html`<div class="empty"><p>No execution is like that.</p></div>` : html`
    <div class="wide" tabindex="0" role="region" aria-label="Executions"><table class="full"><thead><tr>
      <th scope="col"><input type="checkbox" aria-label="Choose all of this page" checked=${picked.length === shown.length} onChange=${() => choose(new Set(picked.length === shown.length ? [] : shown.map(e => e.index)))} /></th>
      <th scope="col" class="text">Execution</th><th scope="col" class="text">State</th><th scope="col" class="text">From</th><th scope="col" class="text">Worker</th><th scope="col">Time</th></tr></thead>
      <tbody>${shown.map(e => html`<tr key=${e.index} class=${chosen.has(e.index) ? 'chosen' : ''}>
        <td><input type="checkbox" aria-label=${`Choose execution ${e.index}`} checked=${chosen.has(e.index)} onChange=${() => { const next = new Set(chosen); if (!next.delete(e.index)) next.add(e.index); choose(next); }} /></td>
        <td class="text wrap"><a href=${to(['sweeps', sweep.id, 'executions', e.index])}>${e.index}. ${label(e)}</a>${e.error && html`<small>${e.error.slice(0, 200)}</small>`}</td>
        <td class="text"><${Stand} sweep=${sweep.id} execution=${e} /></td>
        <td class="text">${e.parent == null ? parameter(e.model) : html`<a href=${to(['sweeps', sweep.id, 'executions', e.parent])}>${e.parent}</a>`}</td><td class="text">${e.worker ?? ''}</td><td>${e.seconds == null ? '' : clock(e.seconds)}</td></tr>`)}</tbody></table></div>
    <div class="row filters"><button type="button" disabled=${pages.length === 0} onClick=${() => setPages(pages.slice(0, -1))}>Earlier</button>
      <button type="button" disabled=${page.next == null} onClick=${() => setPages([...pages, page.next ?? null])}>Later</button><span class="soft">page ${pages.length + 1}</span></div>`}`;
}

/** @param {{ sweep: string, execution: ExecutionStatus }} props where an execution stands */
function Stand({ sweep, execution }) {
  const progress = progressOf(sweep, execution);
  const rest = restOf({ ...execution, progress });
  return html`<${State} state=${execution.state} word=${rest} />${execution.state === 'running' && progress && !rest && html`<small>${progress.phase}${progress.epochs ? ` ${(progress.epoch ?? 0).toFixed(1)}/${progress.epochs}` : ''}</small>`}`;
}

/** @param {{ id: string, picked: ExecutionStatus[], done: () => void }} props */
function Bulk({ id, picked, done }) {
  const { box } = useKeptFocus();
  const [isBusy, setBusy] = useState(false);
  const give = async (/** @type {string} */ name, /** @type {ExecutionStatus[]} */ to) => {
    setBusy(true);
    const answers = await Promise.allSettled(to.map(e => post(`/sweeps/${id}/${name}?execution=${e.index}`)));
    setBusy(false);
    const faults = answers.flatMap(a => a.status === 'rejected' ? [a.reason] : []);
    say(`${name}: ${counted(to.length - faults.length, 'execution')}.`);
    for (const fault of faults.slice(0, 3)) sayFault(fault);
    done();
  };
  const open = picked.filter(e => ['waiting', 'ready', 'queued', 'running', 'paused'].includes(e.state));
  const paused = picked.filter(e => e.state === 'paused');
  const ended = picked.filter(e => e.state === 'failed' || e.state === 'cancelled');
  return html`<div class="bulk row" ref=${box} tabindex="-1" role="toolbar" aria-label="Chosen executions">${picked.length === 0 ? html`<span class="soft">Choose some to give them orders.</span>` : html`<b>${counted(picked.length, 'execution')} chosen</b>
    <button type="button" disabled=${isBusy || open.length === 0} onClick=${() => give('pause', open)}>Pause</button><button type="button" disabled=${isBusy || paused.length === 0} onClick=${() => give('resume', paused)}>Resume</button>
    <button type="button" disabled=${isBusy || ended.length === 0} onClick=${() => give('retry', ended)}>Retry</button>
    <button type="button" class="bad" disabled=${isBusy || open.length === 0} onClick=${async () => await ask({ title: `Cancel ${counted(open.length, 'execution')}?`, text: 'What follows them does not run either. Finished results are kept.', yes: 'Cancel them', isBad: true }) && give('cancel', open)}>Cancel</button>`}</div>`;
}

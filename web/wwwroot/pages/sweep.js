// A sweep: its flow, its results, its executions, and what it was made from.

import { html, useRef, useState } from '../vendor/preact.js';
import { few, paths } from '../ahead.js';
import { may, post, put, remove } from '../api.js';
import { clock, counted, date } from '../format.js';
import { progressOf, useFollowed } from '../live.js';
import { go, to } from '../route.js';
import { Ago, Crumbs, Facts, FaultNote, Pending, State, StateBar, StateCounts, Tabs, act, ask, goesOn, idleOf, moved, restOf, states, useTitle } from '../ui.js';
import { Curves } from '../sweep/curves.js';
import { Executions } from '../sweep/executions.js';
import { Flow } from '../sweep/flow.js';
import { Results } from '../sweep/results.js';
import { Source } from '../sweep/source.js';
import { SearchLine, Trials } from '../sweep/trials.js';

/** @import { Counts, SweepStatus } from '../types' */

// As many executions come with the sweep itself; of a larger one a few of those that run and those that failed.
const listed = 300;

/** @param {{ parts: string[], query: URLSearchParams }} props */
export default function Sweep({ parts, query }) {
  const reference = parts[1] ?? '';
  const part = parts[2] ?? 'flow';
  // Until the first answer the page does not know how long the sweep is: a short one asks often.
  const [rest, setRest] = useState(1500);
  const [limit, setLimit] = useState(few);
  const [known, setKnown] = useState({ reference, id: '', size: 0 });
  const { data, fault, again } = useFollowed(paths.sweep(reference, limit), known.reference === reference && known.id || null, rest, known.size > 1000 ? 2000 : 250);
  // What is known is shown until more of it has come.
  const last = useRef(/** @type {{ reference: string, sweep?: SweepStatus }} */ ({ reference }));
  if (data || last.current.reference !== reference) last.current = { reference, sweep: /** @type {SweepStatus | undefined} */ (data) };
  const { sweep } = last.current;
  const size = sweep?.steps.reduce((n, s) => n + Object.values(s.counts).reduce((a, b) => a + b, 0), 0) ?? 0;
  const wanted = !sweep ? 1500 : !goesOn(sweep.state) ? 10000 : size > 1000 ? 3000 : 1500;
  if (wanted !== rest) setRest(wanted);
  const wantedLimit = size > few && size <= listed ? listed : few;
  if (wantedLimit !== limit) setLimit(wantedLimit);
  if (sweep && (known.id !== sweep.id || known.size !== size || known.reference !== reference)) setKnown({ reference, id: sweep.id, size });
  useTitle(sweep?.name ?? 'Sweep');

  if (!sweep) return fault ? html`<${Crumbs} items=${[{ title: 'Sweeps', href: to([]) }, { title: reference }]} /><${Pending} fault=${fault} />` : html`<${Pending} fault=${fault} />`;
  /** @type {Counts} */
  const counts = {};
  for (const step of sweep.steps) for (const state of states) if (step.counts[state]) counts[state] = (counts[state] ?? 0) + (step.counts[state] ?? 0);

  const rests = sweep.executions.flatMap(e => restOf({ ...e, progress: progressOf(sweep.id, e) }) ?? []);
  const idle = idleOf({ state: sweep.state, running: counts.running ?? 0, ready: counts.ready ?? 0, queued: counts.queued ?? 0, resting: rests.length, phase: rests[0] });

  return html`<${Crumbs} items=${[{ title: 'Sweeps', href: to([]) }, { title: sweep.name }]} />
    <div class="head"><div><h1>${sweep.name}</h1><div class="row"><${State} state=${idle ? 'queued' : sweep.state} word=${idle} />
      ${sweep.secondsLeft != null && goesOn(sweep.state) && html`<span>about ${clock(sweep.secondsLeft)} left</span>`}
      <span class="soft">submitted <${Ago} at=${sweep.submittedAt} />${sweep.finishedAt ? `, ${sweep.state === 'interrupted' ? 'ended after' : 'took'} ${clock((Date.parse(sweep.finishedAt) - Date.parse(sweep.submittedAt)) / 1000)}` : ''}</span>
      ${sweep.pinned && html`<span class="soft">pinned</span>`}</div></div>
      <${Orders} sweep=${sweep} counts=${counts} again=${again} /></div>
    <${FaultNote} fault=${fault} />
    ${sweep.search && html`<${SearchLine} search=${sweep.search} />`}
    ${sweep.reason && html`<div class="note"><p>${sweep.reason}</p></div>`}
    ${sweep.state === 'interrupted' && !sweep.reason && html`<div class="note"><p>The program that ran it has ended. What it finished is kept; "Go on" runs the rest here.</p></div>`}
    ${sweep.steps.filter(s => s.hasWorker === false && Object.keys(s.counts).some(k => k === 'waiting' || k === 'ready' || k === 'queued')).map(s =>
      html`<div class="note" key=${s.step}><p>No worker of ${s.stage}, version ${s.version}, is up${s.pool ? ` in the pool ${s.pool}` : ''}, so nothing of that stage runs now. <a href=${to(['workers'])}>Workers</a></p></div>`)}
    <${StateBar} counts=${counts} label="All executions" /><${StateCounts} counts=${counts} />
    <${Tabs} label="Parts of the sweep" current=${part} at=${(/** @type {string} */ name) => to(name === 'flow' ? ['sweeps', reference] : ['sweeps', reference, name])}
      items=${[{ name: 'flow', title: 'Flow' }, { name: 'results', title: 'Results' }, ...sweep.search ? [{ name: 'trials', title: 'Trials' }] : [], { name: 'executions', title: 'Executions', count: size }, { name: 'source', title: 'Sweep file' }]} />
    ${part === 'flow' && html`<${Failures} sweep=${sweep} /><${Curves} sweep=${sweep} /><${Flow} sweep=${sweep} isWhole=${sweep.executions.length === size} isLarge=${size > listed} />`}
    ${part === 'results' && html`<${Results} sweep=${sweep} query=${query} />`}
    ${part === 'trials' && html`<${Trials} sweep=${sweep} />`}
    ${part === 'executions' && html`<${Executions} sweep=${sweep} query=${query} again=${again} />`}
    ${part === 'source' && html`<${Facts} items=${[['Id', html`<code>${sweep.id}</code>`], ['Submitted', date(sweep.submittedAt)], ['Finished', sweep.finishedAt && date(sweep.finishedAt)], ['Priority', sweep.priority], ['Threads', sweep.threads], ['Device', sweep.device]]} /><${Source} sweep=${sweep} />`}`;
}

/** @param {{ sweep: SweepStatus }} props why executions failed */
const Failures = ({ sweep }) => (sweep.failures ?? []).length > 0 && html`<section aria-labelledby="failures"><h2 id="failures">What failed</h2>${sweep.failures?.map(f =>
  html`<div class="note bad" key=${f.first}><p><b>${f.stage}</b>, ${counted(f.count, 'execution')}: ${f.error}</p>
    <p><a href=${to(['sweeps', sweep.id, 'executions', f.first])}>Show ${f.count > 1 ? 'the first' : 'it'}</a>${f.count > 1 && html` · <a href=${to(['sweeps', sweep.id, 'executions'], { state: 'failed', stage: f.stage })}>all ${f.count}</a>`}</p></div>`)}</section>`;

/** @param {{ sweep: SweepStatus, counts: Counts, again: () => void }} props */
function Orders({ sweep, counts, again }) {
  const isLive = goesOn(sweep.state);
  const left = (counts.waiting ?? 0) + (counts.ready ?? 0) + (counts.queued ?? 0) + (counts.running ?? 0) + (counts.paused ?? 0);
  const path = `/sweeps/${sweep.id}`;
  const give = async (/** @type {() => Promise<unknown>} */ work, /** @type {any} */ done) => await act(work, done) && again();
  if (!may('submit')) return null;
  return html`<div class="row" role="toolbar" aria-label="Sweep">
    ${(sweep.state === 'running' || sweep.state === 'preparing') && html`<button type="button" onClick=${() => give(() => post(`${path}/pause`), 'Paused. What runs keeps its training state.')}>Pause</button>`}
    ${(sweep.state === 'paused' || (counts.paused ?? 0) > 0) && html`<button type="button" class="main" onClick=${() => give(() => post(`${path}/resume`), moved('Resumed'))}>Resume</button>`}
    ${(counts.failed ?? 0) > 0 ? html`<button type="button" title="What failed runs again with the same parameters, and so does what was skipped because of it" onClick=${() => give(() => post(`${path}/retry`), moved('Run again'))}>Retry failed</button>`
      : ((counts.cancelled ?? 0) > 0 && sweep.state !== 'succeeded' || sweep.state === 'interrupted') && html`<button type="button" class=${isLive ? '' : 'main'} title=${`What was ${(counts.cancelled ?? 0) > 0 ? 'cancelled' : 'interrupted'} runs, from the training state that it had`} onClick=${() => give(() => post(`${path}/retry`), moved('Goes on'))}>Go on</button>`}
    <a class="button" href=${to(['new'], { from: sweep.id })}>Repeat with changes</a>
    ${isLive && html`<label class="check">Priority <select value=${sweep.priority} onChange=${(/** @type {any} */ e) => give(() => post(`${path}/priority`, { priority: Number(e.target.value) }), `Priority ${e.target.value}.`)}>${[5, 4, 3, 2, 1].map(n => html`<option key=${n} value=${n}>${n}</option>`)}</select></label>`}
    <button type="button" aria-pressed=${sweep.pinned} title="A pinned sweep is kept whole when the store is collected" onClick=${() => give(() => sweep.pinned ? remove(`${path}/pin`) : put(`${path}/pin`), sweep.pinned ? 'No longer pinned.' : 'Pinned: nothing of it is deleted.')}>${sweep.pinned ? 'Unpin' : 'Pin'}</button>
    ${isLive && html`<button type="button" class="bad" onClick=${async () => await ask({ title: `Cancel ${sweep.name}?`, text: `${counted(left, 'execution')} will not run, and what runs stops within one batch. Finished results are kept, and retry goes on from them.`, yes: 'Cancel the sweep', isBad: true }) && give(() => post(`${path}/cancel`), 'Cancelled. Finished results are kept.')}>Cancel</button>`}
    ${!isLive && may('admin') && html`<button type="button" class="bad" onClick=${async () => await ask({ title: `Delete ${sweep.name}?`, text: 'The coordinator forgets the sweep. Its results stay in the store until they are collected.', yes: 'Delete the sweep', isBad: true })
      && await act(() => remove(path), 'Deleted.') && go([])}>Delete</button>`}</div>`;
}

// The list of sweeps.

import { html, useEffect, useId, useState } from '../vendor/preact.js';
import { paths } from '../ahead.js';
import { get, may, post, put, remove } from '../api.js';
import { clock, counted } from '../format.js';
import { usePolled } from '../live.js';
import { setQuery, to } from '../route.js';
import { Ago, FaultNote, Pending, State, StateBar, ask, goesOn, idleOf, say, sayFault, useKeptFocus, useTitle } from '../ui.js';

/** @import { SweepState, SweepSummary } from '../types' */

const page = 50;

/** @type {SweepState[]} */
const all = ['running', 'preparing', 'paused', 'succeeded', 'failed', 'cancelled', 'interrupted'];

/** @param {{ query: URLSearchParams }} props */
export default function Sweeps({ query }) {
  useTitle('Sweeps');
  const search = query.get('search') ?? '';
  const state = query.get('state') ?? '';
  const path = paths.sweeps(search, state);
  const { data, fault, again } = usePolled(path, 2000);
  const [older, setOlder] = useState({ path, sweeps: /** @type {SweepSummary[]} */ ([]), isEnd: false });
  const [chosen, choose] = useState(/** @type {ReadonlySet<string>} */ (new Set()));
  const ids = useId();

  const first = /** @type {SweepSummary[] | undefined} */ (data);
  const more = older.path === path ? older : { sweeps: [], isEnd: false };
  const known = new Set(first?.map(s => s.id));
  const sweeps = [...first ?? [], ...more.sweeps.filter(s => !known.has(s.id))];
  const picked = sweeps.filter(s => chosen.has(s.id));

  const readMore = async () => {
    const last = sweeps[sweeps.length - 1];
    if (!last) return;
    try {
      const next = /** @type {SweepSummary[]} */ (await get(`${path}&before=${last.id}`));
      setOlder({ path, sweeps: [...more.sweeps, ...next], isEnd: next.length < page });
    } catch (e) {
      sayFault(e);
    }
  };

  return html`<div class="head"><h1>Sweeps</h1></div>
    <search class="row filters">
      <input class="grow" type="search" aria-label="Search by name" placeholder="Search by name" value=${search} onInput=${(/** @type {any} */ e) => setQuery({ search: e.target.value })} />
      <label class="unseen" for=${ids}>State</label>
      <select id=${ids} value=${state} onChange=${(/** @type {any} */ e) => setQuery({ state: e.target.value })}>
        <option value="">Every state</option>${all.map(s => html`<option key=${s} value=${s}>${s}</option>`)}</select>
    </search>
    ${first && html`<${FaultNote} fault=${fault} />`}
    ${(sweeps.length > 0 || picked.length > 0) && may('submit') && html`<${Bulk} picked=${picked} done=${() => { choose(new Set()); setOlder({ path, sweeps: [], isEnd: false }); again(); }} clear=${() => choose(new Set())} />`}
    ${!first && html`<${Pending} fault=${fault} />`}
    ${first && sweeps.length === 0 && (search || state
      ? html`<div class="empty"><p>No sweep is like that.</p><p><button type="button" onClick=${() => setQuery({ search: '', state: '' })}>Show all</button></p></div>`
      : html`<div class="empty"><h2>No sweeps yet</h2><p>A sweep trains, prunes and quantizes a network in every way that you list.</p>
          ${may('submit') && html`<p><a class="button main" href=${to(['new'])}>New sweep</a></p>`}<p class="soft">or, in a terminal: <code>lathe run sweep.yaml</code></p></div>`)}
    ${sweeps.length > 0 && html`<ul class="sweeps plain" aria-label="Sweeps">${sweeps.map(sweep => html`<${Row} key=${sweep.id} sweep=${sweep} isChosen=${chosen.has(sweep.id)} choose=${() => {
      const next = new Set(chosen);
      if (!next.delete(sweep.id)) next.add(sweep.id);
      choose(next);
    }} />`)}</ul>`}
    ${first && first.length === page && !more.isEnd && html`<p><button type="button" onClick=${readMore}>Show older sweeps</button></p>`}`;
}

/** @param {{ sweep: SweepSummary, isChosen: boolean, choose: () => void }} props */
function Row({ sweep, isChosen, choose }) {
  const done = sweep.finished - sweep.failed;
  const counts = { completed: done, running: sweep.running, queued: sweep.queued, ready: sweep.ready, failed: sweep.failed, [goesOn(sweep.state) ? 'waiting' : sweep.state === 'cancelled' ? 'cancelled' : 'skipped']: Math.max(0, sweep.executions - sweep.finished - sweep.running - sweep.queued - sweep.ready) };
  const idle = idleOf(sweep);
  return html`<li class="sweep">
    <input type="checkbox" aria-label=${`Choose ${sweep.name}`} checked=${isChosen} onChange=${choose} />
    <div><a class="name" href=${to(['sweeps', sweep.id])}>${sweep.name}</a>${sweep.pinned && html` <span class="soft" title="Pinned: nothing of it is deleted">pinned</span>`}<small class="mono">${sweep.id.slice(0, 13)}</small></div>
    <${State} state=${idle ? 'queued' : sweep.state} word=${idle ?? sweep.state} />
    <div><${StateBar} counts=${counts} label="Executions" /><small>${sweep.finished.toLocaleString('en-US')} of ${counted(sweep.executions, 'execution')}${sweep.failed > 0 && html`, <span class="failed">${sweep.failed} failed</span>`}${sweep.running > sweep.resting && `, ${sweep.running - sweep.resting} running`}</small></div>
    <div><${Ago} at=${sweep.submittedAt} /><small>${sweep.secondsLeft != null && goesOn(sweep.state) ? `about ${clock(sweep.secondsLeft)} left` : sweep.finishedAt ? `took ${clock((Date.parse(sweep.finishedAt) - Date.parse(sweep.submittedAt)) / 1000)}` : ''}</small></div>
    <small title="Priority, 1 to 5; higher goes first">priority ${sweep.priority}</small></li>`;
}

/** @type {{ name: string, title: string, scope: 'submit' | 'admin', isBad?: boolean, about?: string, fits: (s: SweepSummary) => boolean, order: (s: SweepSummary) => Promise<unknown>, asks?: (n: number) => [string, string] }[]} */
const orders = [
  { name: 'pause', title: 'Pause', scope: 'submit', fits: s => s.state === 'running', order: s => post(`/sweeps/${s.id}/pause`) },
  { name: 'resume', title: 'Resume', scope: 'submit', fits: s => s.state === 'paused', order: s => post(`/sweeps/${s.id}/resume`) },
  { name: 'retry', title: 'Retry failed', scope: 'submit', fits: s => s.failed > 0, order: s => post(`/sweeps/${s.id}/retry`) },
  { name: 'go-on', title: 'Go on', scope: 'submit', about: 'What was cancelled or interrupted runs, from the training state that it had', fits: s => s.failed === 0 && (s.state === 'cancelled' || s.state === 'interrupted'), order: s => post(`/sweeps/${s.id}/retry`) },
  { name: 'pin', title: 'Pin', scope: 'submit', fits: s => !s.pinned, order: s => put(`/sweeps/${s.id}/pin`) },
  { name: 'unpin', title: 'Unpin', scope: 'submit', fits: s => s.pinned === true, order: s => remove(`/sweeps/${s.id}/pin`) },
  {
    name: 'cancel', title: 'Cancel', scope: 'submit', isBad: true, fits: s => goesOn(s.state), order: s => post(`/sweeps/${s.id}/cancel`),
    asks: n => [`Cancel ${counted(n, 'sweep')}?`, 'What runs stops within one batch. Finished results are kept, and retry goes on from them.'],
  },
  {
    name: 'delete', title: 'Delete', scope: 'admin', isBad: true, fits: s => !goesOn(s.state) && !s.pinned, about: 'What is pinned stays: press Unpin first', order: s => remove(`/sweeps/${s.id}`),
    asks: n => [`Delete ${counted(n, 'sweep')}?`, 'The coordinator forgets them. Their results stay in the store until they are collected.'],
  },
];

/** @param {{ picked: SweepSummary[], done: () => void, clear: () => void }} props */
function Bulk({ picked, done, clear }) {
  const { box } = useKeptFocus();
  const [isBusy, setBusy] = useState(false);
  useEffect(() => () => setBusy(false), []);
  const give = async (/** @type {typeof orders[number]} */ order) => {
    const fitting = picked.filter(order.fits);
    if (order.asks) {
      const [title, text] = order.asks(fitting.length);
      if (!await ask({ title, text, yes: `${order.title} ${counted(fitting.length, 'sweep')}`, isBad: true, body: html`<ul>${fitting.slice(0, 10).map(s => html`<li key=${s.id}>${s.name}</li>`)}${fitting.length > 10 && html`<li>and ${fitting.length - 10} more</li>`}</ul>` })) return;
    }
    setBusy(true);
    const answers = await Promise.allSettled(fitting.map(order.order));
    setBusy(false);
    const faults = answers.flatMap(a => a.status === 'rejected' ? [a.reason] : []);
    if (faults.length < fitting.length) say(`${order.title}: ${counted(fitting.length - faults.length, 'sweep')}.`);
    for (const fault of faults.slice(0, 3)) sayFault(fault);
    done();
  };
  return html`<div class="bulk row" ref=${box} tabindex="-1" role="toolbar" aria-label="Chosen sweeps">${picked.length === 0 ? html`<span class="soft">Choose some to give them orders.</span>` : html`<b>${counted(picked.length, 'sweep')} chosen</b>
    ${orders.filter(o => may(o.scope)).map(o => html`<button key=${o.name} type="button" class=${o.isBad ? 'bad' : ''} title=${o.about} disabled=${isBusy || !picked.some(o.fits)} onClick=${() => give(o)}>${o.title}</button>`)}
    <button type="button" class="quiet" onClick=${clear}>Clear</button>`}</div>`;
}

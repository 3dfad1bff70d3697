// Who works, what each does, and what waits.

import { html } from '../vendor/preact.js';
import { counted } from '../format.js';
import { usePolled } from '../live.js';
import { to } from '../route.js';
import { Ago, FaultNote, Loading, Pending, Progress, State, useTitle } from '../ui.js';

/** @import { Queue, StageManifest, Worker } from '../types' */

export default function Workers() {
  useTitle('Workers and queues');
  const { data: workerData, fault } = usePolled('/workers', 2000);
  const { data: queueData } = usePolled('/queues', 2000);
  const { data: stageData } = usePolled('/stages', 10000);
  const workers = /** @type {Worker[] | undefined} */ (workerData);
  const queues = /** @type {Queue[] | undefined} */ (queueData);
  const stages = /** @type {StageManifest[] | undefined} */ (stageData);
  return html`<h1>Workers and queues</h1>${workers && html`<${FaultNote} fault=${fault} />`}
    <section aria-labelledby="workers"><h2 id="workers">Workers</h2>
    ${!workers ? html`<${Pending} fault=${fault} />` : workers.length === 0 ? html`<div class="empty"><p>No worker has announced itself.</p><p class="soft">On another machine: <code>lathe worker STAGE --broker amqp://…</code></p></div>` : html`<div class="cards">${workers.map(w => html`<article class="card" key=${`${w.name} ${w.stage} ${w.version}`}>
      <div class="row apart"><h3>${w.stage} <small>version ${w.version}${w.isCurrent ? '' : ', earlier'}</small></h3><span class="row"><${State} state=${w.executions.length > 0 ? 'running' : 'queued'} hasWord=${false} />${w.executions.length > 0 ? 'works' : 'waits for work'}</span></div>
      ${w.executions.map(e => html`<div key=${`${e.sweep}:${e.index}`}><a href=${to(['sweeps', e.sweep, 'executions', e.index])}>${e.name}, execution ${e.index}</a> ${e.progress?.phase}${e.progress?.epochs && html`<${Progress} value=${e.progress.epoch ?? 0} all=${e.progress.epochs} label=${`${e.name}, execution ${e.index}: epochs`} />`}</div>`)}
      <p class="soft"><span class="mono">${w.name}</span><br />${[w.about?.pool && `pool ${w.about.pool}`, w.about?.device, w.about?.threads && counted(w.about.threads, 'thread'), w.about?.lathe && `Lathe ${w.about.lathe}`, (w.about?.exports?.length ?? 0) > 0 && `exports ${w.about?.exports?.map(x => x.name).join(', ')}`].filter(t => t).join(' · ')}<br />heard <${Ago} at=${w.heardAt} /></p></article>`)}</div>`}</section>
    <section aria-labelledby="queues"><h2 id="queues">Queues</h2>
    ${!queues ? html`<${Loading} />` : queues.length === 0 ? html`<p class="soft">No stage has been announced.</p>` : html`<div class="wide" tabindex="0" role="region" aria-label="Table of queues"><table class="full"><thead><tr><th scope="col" class="text">stage</th><th scope="col" class="text">version</th><th scope="col">workers</th><th scope="col" title="Messages in the queue that no worker has taken">in the queue</th><th scope="col" title="Sent to the queue, and not begun">sent</th><th scope="col">running</th><th scope="col" title="Their input is there">ready</th><th scope="col" title="Their input is not there yet">waiting</th></tr></thead>
      <tbody>${queues.map(q => html`<tr key=${`${q.stage} ${q.version} ${q.pool ?? ''}`}><td class="text">${q.stage}${q.pool ? html` <span class="soft">pool ${q.pool}</span>` : ''}</td><td class="text">${q.version}${q.isCurrent ? '' : html` <span class="soft">earlier</span>`}</td><td>${q.workers === 0 && q.ready + q.queued > 0 ? html`<b class="failed">0</b>` : q.workers}</td><td>${q.backlog ?? '–'}</td><td>${q.queued.toLocaleString('en-US')}</td><td>${q.running.toLocaleString('en-US')}</td><td>${q.ready.toLocaleString('en-US')}</td><td>${q.waiting.toLocaleString('en-US')}</td></tr>`)}</tbody></table></div>`}</section>
    <section aria-labelledby="stages"><h2 id="stages">Stages</h2>${!stages ? html`<${Loading} />` : html`<div class="wide" tabindex="0" role="region" aria-label="Table of stages"><table class="full"><thead><tr><th scope="col" class="text">stage</th><th scope="col" class="text">version</th><th scope="col" class="text">what it does</th><th scope="col" class="text">leaves</th></tr></thead>
      <tbody>${stages.map(s => html`<tr key=${s.name}><td class="text">${s.name}</td><td class="text">${s.version}</td><td class="text wrap">${s.summary}</td><td class="text">${s.output === 'metrics' ? 'figures' : 'a checkpoint'}</td></tr>`)}</tbody></table></div>`}</section>`;
}

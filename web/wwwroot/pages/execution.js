// An execution: what it does, what it made, and where it comes from.

import { html, useEffect, useRef, useState } from '../vendor/preact.js';
import { Fault, get, isPassing, may, post, url } from '../api.js';
import { bytes, capital, clock, date, digest, figure, head, label, number, parameter } from '../format.js';
import { progressOf, useFollowed, usePolled } from '../live.js';
import { to } from '../route.js';
import { Parameter, misfit } from '../form/parameter.js';
import { Copy, Crumbs, Facts, FaultNote, Loading, Pending, Progress, State, Tabs, act, ask, moved, restOf, useKeptFocus, useTitle } from '../ui.js';
import { Panels } from '../charts/panel.js';
import { CurveChart } from '../sweep/curves.js';

/** @import { ExecutionDetail, ExportAnswer, FileList, Panel, Relative, StageManifest } from '../types' */

const known = new Set(['overview', 'files', 'log', 'origin']);

/** @param {{ parts: string[], query: URLSearchParams }} props */
export default function Execution({ parts }) {
  const [, sweep = '', , text = '0', part = 'overview'] = parts;
  const index = Number(text);
  const reference = `${sweep}:${index}`;
  const [rest, setRest] = useState(1500);
  const [id, setId] = useState(/** @type {string | null} */ (null));
  // Why it was not cached takes a look at thousands of others.
  const { data, fault, again } = useFollowed(`/executions/${encodeURIComponent(reference)}${part === 'origin' ? '?why=true' : ''}`, id, rest, 500);
  const last = useRef({ reference, detail: /** @type {ExecutionDetail | undefined} */ (undefined) });
  if (data || last.current.reference !== reference) last.current = { reference, detail: /** @type {ExecutionDetail | undefined} */ (data) };
  const { detail } = last.current;
  const isOver = detail !== undefined && ['completed', 'cached', 'failed', 'skipped', 'cancelled'].includes(detail.execution.state);
  const wanted = isOver ? 10000 : 1500;
  if (wanted !== rest) setRest(wanted);
  const followed = detail?.sweep?.id ?? null;
  if (followed && followed !== id) setId(followed);
  const progress = detail && progressOf(followed ?? '', detail.execution);
  // Another epoch has ended: its figures are part of the curves.
  const epoch = Math.floor(progress?.epoch ?? 0);
  useEffect(() => {
    if (epoch > 0) again();
  }, [epoch]);
  // What only measures has no parameters of its own that tell it from its like.
  const before = (detail?.ancestors ?? []).filter(a => a.varied.length > 0).map(label).join(', ');
  const title = detail ? `${label(detail.execution)}${before && ` after ${before}`}` : '';
  useTitle(detail ? `${title}, ${detail.sweep?.name ?? ''}` : 'Execution');

  if (!detail) return html`${fault && html`<h1>Execution ${index}</h1>`}<${Pending} fault=${fault} />`;
  const execution = { ...detail.execution, progress };
  const name = detail.sweep?.name ?? sweep;
  const place = ['sweeps', sweep, 'executions', index];
  const parent = detail.ancestors?.at(-1);

  return html`<${Crumbs} items=${[{ title: 'Sweeps', href: to([]) }, { title: name, href: to(['sweeps', sweep]) }, ...(detail.ancestors ?? []).map(a => ({ title: label(a), href: to(['sweeps', sweep, 'executions', a.index]) })), { title: label(execution) }]} />
    <div class="head"><div><h1>${title}</h1><p class="soft way">Execution ${index} of <a href=${to(['sweeps', sweep])}>${name}</a>: ${execution.model} on ${execution.dataset}, seed ${execution.seed}</p><div class="row"><${State} state=${execution.state} word=${restOf(execution)} />
      <span class="soft">${execution.seconds != null && `${execution.state === 'cached' ? 'took, when it was computed,' : 'took'} ${clock(execution.seconds)}`}${execution.worker && ` on ${execution.worker}`}</span></div></div>
      <${Orders} detail=${detail} sweep=${sweep} isOver=${isOver} again=${again} /></div>
    <${FaultNote} fault=${fault} />
    ${execution.state === 'running' && execution.progress && !restOf(execution) && html`<div class="card"><b>${capital(execution.progress.phase)}</b>
      <${Progress} value=${execution.progress.epoch ?? 0} all=${execution.progress.epochs ?? 1} label=${`${label(execution)}: ${execution.progress.phase}`} />
      <span class="soft">${[execution.progress.epochs && `epoch ${(execution.progress.epoch ?? 0).toFixed(1)} of ${execution.progress.epochs}`, execution.progress.loss != null && `loss ${number(execution.progress.loss)}`, execution.progress.accuracy != null && `accuracy ${figure(execution.progress.accuracy, 'percent')}%`,
        execution.progress.imagesPerSecond != null && `${number(Math.round(execution.progress.imagesPerSecond))} images/s`, execution.progress.secondsLeft != null && `about ${clock(execution.progress.secondsLeft)} left`].filter(t => t).join(', ')}</span></div>`}
    ${execution.error && html`<div class="note bad"><p>${execution.error}</p>${execution.state === 'failed' && html`<p class="soft">Mend its parameters and go on. Retry runs it with the same parameters, which helps only where the cause was outside: a disk that was full, for example. ${(detail.failures ?? 0) > 1 && `It failed ${detail.failures} times.`}</p>`}</div>`}
    <${Tabs} label="Parts of the execution" current=${part} at=${(/** @type {string} */ tab) => to(tab === 'overview' ? place : [...place, tab])}
      items=${[{ name: 'overview', title: 'Overview' }, { name: 'files', title: 'Files and export' }, { name: 'log', title: 'Log' }, { name: 'origin', title: 'Origin' }]} />
    ${!known.has(part) && html`<div class="note"><p>An execution has no part <code>${part}</code>. <a href=${to(place)}>To the overview</a></p></div>`}
    ${part === 'overview' && html`<${Overview} detail=${detail} reference=${reference} isDone=${execution.state === 'completed' || execution.state === 'cached'} />`}
    ${part === 'files' && html`<${Files} reference=${reference} sweep=${sweep} hasOutput=${execution.output != null || parent?.output != null} isOver=${isOver} />`}
    ${part === 'log' && html`<${Log} reference=${reference} key=${reference} />`}
    ${part === 'origin' && html`<${Origin} detail=${detail} sweep=${sweep} isRead=${data !== undefined} />`}`;
}

/** @param {{ detail: ExecutionDetail, sweep: string, isOver: boolean, again: () => void }} props */
function Orders({ detail, sweep, isOver, again }) {
  const { execution } = detail;
  const [isMending, mend] = useState(false);
  const path = (/** @type {string} */ order) => `/sweeps/${encodeURIComponent(sweep)}/${order}?execution=${execution.index}`;
  const give = async (/** @type {() => Promise<unknown>} */ work, /** @type {any} */ done) => await act(work, done) && again();
  const { box, take } = useKeptFocus();
  if (!may('submit')) return null;
  return html`<div class="row" role="toolbar" aria-label="Execution" ref=${box}>
    ${(execution.state === 'completed' || execution.state === 'cached') && html`<a class="button" href=${to(['compare'], { executions: `${sweep}:${execution.index}` })}>Compare</a>`}
    ${execution.state === 'paused' && html`<button type="button" class="main" onClick=${() => give(() => post(path('resume')), moved('Resumed'))}>Resume</button>`}
    ${!isOver && execution.state !== 'paused' && html`<button type="button" onClick=${() => give(() => post(path('pause')), moved('Paused'))}>Pause</button>`}
    ${(execution.state === 'failed' || execution.state === 'cancelled') && html`<button type="button" class=${execution.state === 'cancelled' ? 'main' : ''} title=${execution.state === 'cancelled' ? 'Runs from the training state that it had' : 'Runs again with the same parameters'} onClick=${() => give(() => post(path('retry')), moved(execution.state === 'cancelled' ? 'Goes on' : 'Run again'))}>${execution.state === 'cancelled' ? 'Go on' : 'Retry'}</button>
      <button type="button" class=${execution.state === 'failed' ? 'main' : ''} aria-expanded=${isMending} onClick=${() => mend(!isMending)}>Mend and go on</button>`}
    ${!isOver && html`<button type="button" class="bad" onClick=${async () => await ask({ title: `Cancel ${label(execution)}?`, text: 'It stops within one batch, and what follows it does not run. Retry goes on from its training state.', yes: 'Cancel the execution', isBad: true }) && give(() => post(path('cancel')), moved('Cancelled'))}>Cancel</button>`}</div>
    ${isMending && html`<${Mend} detail=${detail} path=${path('retry')} done=${() => { take(); mend(false); again(); }} />`}`;
}

/**
 * Other parameters for an execution that failed.
 * @param {{ detail: ExecutionDetail, path: string, done: () => void }} props
 */
function Mend({ detail, path, done }) {
  const { execution } = detail;
  const { data } = usePolled('/stages', 0);
  const schema = /** @type {StageManifest[] | undefined} */ (data)?.find(m => m.name === execution.stage)?.parametersSchema;
  const [values, set] = useState(/** @type {Record<string, unknown>} */ ({}));
  const [fault, setFault] = useState(/** @type {Fault | undefined} */ (undefined));
  const changed = Object.entries(values).filter(([name, value]) => value !== undefined && JSON.stringify(value) !== JSON.stringify(execution.parameters[name]));
  const note = useRef(/** @type {HTMLElement | null} */ (null));
  const send = async (/** @type {Event} */ e) => {
    e.preventDefault();
    try {
      const answer = await post(path, { set: { [execution.stage]: Object.fromEntries(changed) } });
      await act(async () => answer, moved('Run again with other parameters'));
      done();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      setFault(error);
    }
  };
  const known = Object.keys(schema?.properties ?? {});
  // In the order of the form, where it is known.
  const names = [...known.filter(name => name in execution.parameters), ...Object.keys(execution.parameters).filter(name => !known.includes(name))].filter(name => !schema?.properties?.[name]?.['x-lathe-model']);
  const unfit = (/** @type {string} */ name) => name in values ? misfit(schema?.properties?.[name], values[name]) : '';
  const wrong = (/** @type {string} */ name) => unfit(name) ? [`${name} ${unfit(name)}`] : (fault?.problems ?? []).filter(p => p.path.split('/').includes(name)).map(p => `${name} ${p.message}`);
  const isUnfit = names.some(name => unfit(name));
  const isPlaced = names.some(name => wrong(name).length > 0);
  // The error may be far above the button.
  useEffect(() => {
    if (fault) (note.current?.querySelector('[aria-invalid="true"]') ?? note.current)?.scrollIntoView({ block: 'center' });
  }, [fault]);
  return html`<form class="card mend" ref=${note} onSubmit=${send}><h2>Mend and go on</h2><p class="soft">The execution runs again with these parameters, and so does what was skipped because of it.</p>
    <div class="fields">${names.map(name => html`<${Parameter} key=${name} id=${`mend-${name}`} name=${name} schema=${schema?.properties?.[name]} isSingle=${true} value=${name in values ? values[name] : execution.parameters[name]} problems=${wrong(name)} change=${(/** @type {unknown} */ v) => { set(old => ({ ...old, [name]: v })); setFault(undefined); }} />`)}</div>
    ${!isPlaced && html`<${FaultNote} fault=${fault} />`}
    <div class="row end">${changed.length === 0 && html`<span class="soft">Change a parameter first.</span>`}<button class="main" disabled=${changed.length === 0 || isUnfit}>Run again with these</button></div></form>`;
}

/** @param {{ detail: ExecutionDetail, reference: string, isDone: boolean }} props */
function Overview({ detail, reference, isDone }) {
  const { execution } = detail;
  const { data } = usePolled(isDone ? `/executions/${encodeURIComponent(reference)}/panels` : null, 0);
  const panels = /** @type {{ panels: Panel[] } | undefined} */ (data)?.panels ?? [];
  const described = new Map((detail.metrics ?? []).map(m => [m.name, m]));
  const figures = Object.entries(execution.metrics).sort(([a], [b]) => (described.get(a)?.rank ?? 999) - (described.get(b)?.rank ?? 999));
  const main = figures.filter(([name]) => described.get(name)?.isColumn);
  const curves = new Map([[execution.index, detail.epochs]]);
  return html`<div class="two"><section aria-labelledby="parameters"><h2 id="parameters">Parameters</h2>
      <${Facts} items=${[['model', execution.model], ['data set', execution.dataset], ['seed', execution.seed], ...Object.entries(execution.parameters).filter(([, value]) => value !== execution.model).map(([name, value]) => /** @type {[string, unknown]} */ ([name, html`<span class=${execution.varied.includes(name) ? 'varied' : ''}>${parameter(value) || 'empty'}</span>`]))]} /></section>
    ${figures.length > 0 && html`<section aria-labelledby="figures"><h2 id="figures">Figures</h2>
      <${Facts} items=${main.map(([name, value]) => { const m = described.get(name); return m ? [m.longTitle ? capital(m.title) : capital(m.title), html`<b class="big">${figure(value, m.format)}</b> ${m.unit || (m.format === 'bytes' && m.title !== 'KiB' && !m.title.includes('KiB') ? 'KiB' : '')}<small>${m.description}</small>`] : [name, number(value)]; })} />
      ${figures.length > main.length && html`<details><summary>All ${figures.length} figures</summary><div class="wide" tabindex="0" role="region" aria-label="All figures"><table><tbody>${figures.map(([name, value]) => html`<tr key=${name}><th scope="row" class="text">${name}</th><td>${figure(value, described.get(name)?.format)}</td><td class="text soft">${described.get(name)?.description}</td></tr>`)}</tbody></table></div></details>`}</section>`}</div>
    ${detail.epochs.length > 0 && !panels.some(p => p.kind === 'lines') && html`<section aria-labelledby="course"><h2 id="course">Course</h2><div class="two">
      <${CurveChart} title="Training loss" name="loss" factor=${1} curves=${curves} executions=${[execution]} /><${CurveChart} title="Training accuracy, %" name="accuracy" factor=${100} curves=${curves} executions=${[execution]} /></div></section>`}
    <${Panels} panels=${panels} stage=${capital(execution.stage)} />
    ${(detail.children?.length ?? 0) > 0 && html`<section aria-labelledby="next"><h2 id="next">What follows</h2><${Relatives} of=${detail.children ?? []} sweep=${reference.split(':')[0] ?? ''} /></section>`}`;
}

/** @param {{ of: Relative[], sweep: string }} props */
const Relatives = ({ of, sweep }) => html`<ul class="plain">${of.map(r => html`<li key=${r.index} class="row"><${State} state=${r.state} hasWord=${false} /><a href=${to(['sweeps', sweep, 'executions', r.index])}>${label(r)}</a>${r.output && html`<code class="soft">${digest(r.output.sha256)}</code>`}</li>`)}</ul>`;

/** @param {{ reference: string, sweep: string, hasOutput: boolean, isOver: boolean }} props */
function Files({ reference, sweep, hasOutput, isOver }) {
  const path = `/executions/${encodeURIComponent(reference)}`;
  const { data, fault, again } = usePolled(isOver && hasOutput ? `${path}/files` : null, 0);
  const list = /** @type {FileList | undefined} */ (data);
  const [isBusy, setBusy] = useState('');
  const [answer, setAnswer] = useState(/** @type {ExportAnswer | null} */ (null));
  const [wrong, setWrong] = useState(/** @type {{ format: string, fault: Fault } | null} */ (null));
  if (!isOver || !hasOutput) return html`<div class="empty"><p>Files are there when the execution has made a checkpoint.</p></div>`;
  if (!list) return html`<${Pending} fault=${fault} />`;
  const make = async (/** @type {Event} */ e, /** @type {string} */ format) => {
    e.preventDefault();
    const form = /** @type {HTMLFormElement} */ (e.target);
    const options = Object.fromEntries(new FormData(form));
    setBusy(format);
    setWrong(null);
    setAnswer(null);
    try {
      setAnswer(await post(`${path}/exports`, { format, options }));
      again();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      setWrong({ format, fault: error });
    }
    setBusy('');
  };
  return html`<div class="two"><section aria-labelledby="files"><h2 id="files">Files</h2>
      ${list.files.length === 0 ? html`<p class="soft">None yet.</p>` : html`<div class="wide" tabindex="0" role="region" aria-label="List of files"><table class="full"><thead><tr><th scope="col" class="text">file</th><th scope="col">size</th><th scope="col" class="text">SHA-256</th></tr></thead><tbody>${list.files.map(f =>
        html`<tr key=${f.name}><td class="text"><a download href=${url(f.url)}>${f.name}</a><small>${f.kind}${f.format ? `, ${f.format}` : ''}</small></td><td>${bytes(f.bytes)}</td><td class="text"><code>${f.sha256 ? digest(f.sha256) : ''}</code></td></tr>`)}</tbody></table></div>`}
      ${list.files.some(f => f.kind === 'checkpoint') && html`<p class="soft">A checkpoint's file is larger than the KiB of the tables: these count its stored tensors, and the file also has a header with the network's graph and its lineage.</p>`}
      ${list.notes?.map((n, i) => html`<p class="soft" key=${i}>${n}</p>`)}</section>
    <section aria-labelledby="export"><h2 id="export">Export</h2>
      ${list.formats.length === 0 && html`<p class="soft">No worker that can export is up.</p>`}
      ${list.formats.map(f => { const refused = list.refused?.find(one => one.format === f.name); return html`<form key=${f.name} class="card stage" onSubmit=${(/** @type {Event} */ e) => make(e, f.name)}><h3>${f.name}</h3><p>${f.summary}</p><div class="row">${f.options.map(o =>
        html`<label class="check" key=${o.name} title=${o.summary}>${o.name} <select name=${o.name}>${o.values.map(v => html`<option key=${v} value=${v}>${v}</option>`)}</select></label>`)}
        <button class="main" disabled=${isBusy !== '' || !may('submit') || refused !== undefined} aria-describedby=${refused ? `no-${f.name}` : undefined}>${isBusy === f.name ? 'Exporting …' : `Export ${f.name}`}</button></div>
        ${refused && html`<p id=${`no-${f.name}`}>Not of this network: ${refused.why}.${refused.set && may('submit') && html` <a href=${to(['new'], { from: sweep, set: refused.set })}>Repeat the sweep with ${refused.set.replace('=', ': ').replace('.', ' ')}</a>`}</p>`}
        ${wrong?.format === f.name && html`<${FaultNote} fault=${wrong.fault} />`}${answer?.format === f.name && html`<${Made} answer=${answer} />`}</form>`; })}</section></div>`;
}

/** @param {{ answer: ExportAnswer }} props */
const Made = ({ answer }) => html`<div class="note good" role="status"><p><b>${answer.format}</b> is ready: ${answer.files.map((f, i) => html`${i > 0 && ', '}<a key=${f.name} download href=${url(f.url)}>${f.name}</a> (${bytes(f.bytes)})`)}</p><ul>${answer.lines.map((l, i) => html`<li key=${i}>${l}</li>`)}</ul></div>`;

/** @typedef {{ line: number, at: string, level: string, attempt?: number | null, worker?: string | null, text: string }} LogLine */

/** @param {{ reference: string }} props */
function Log({ reference }) {
  const [state, set] = useState(/** @type {{ lines: LogLine[], isOpen: boolean, isRead: boolean, fault?: Fault }} */ ({ lines: [], isOpen: true, isRead: false }));
  useEffect(() => {
    const stop = new AbortController();
    let after = '';
    let timer = 0;
    const read = async () => {
      try {
        const page = /** @type {{ lines: LogLine[], next?: number | null, isOpen: boolean }} */ (await get(`/executions/${encodeURIComponent(reference)}/logs?limit=1000${after}`, stop.signal));
        if (page.next != null) after = `&after=${page.next}`;
        // The last lines are those that somebody looks for.
        set(old => ({ lines: [...old.lines, ...page.lines].slice(-5000), isOpen: page.isOpen, isRead: true }));
        if (page.lines.length === 1000) return read();
        if (page.isOpen) timer = setTimeout(read, 2000);
      } catch (e) {
        if (stop.signal.aborted) return;
        if (!(e instanceof Fault)) throw e;
        const fault = e;
        set(old => ({ ...old, fault }));
        if (isPassing(e)) timer = setTimeout(read, 2000);
      }
    };
    read();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [reference]);
  const text = state.lines.map(l => `${l.at} ${l.level} ${l.text}`).join('\n');
  return html`<h2>Log</h2><${FaultNote} fault=${state.fault} />
    ${state.isRead && state.lines.length === 0 ? html`<p class="soft">${state.isOpen ? 'Nothing has been written yet.' : 'Nothing was written.'}</p>` : html`<div class="row"><${Copy} text=${text} label="Copy the log" />${state.isOpen && html`<span class="soft">more may come</span>`}</div>
    <pre class="log" tabindex="0" role="log" aria-label="Log">${state.lines.map(l => html`<span key=${l.line} class=${l.level}>${l.at.slice(11, 19)} ${l.level === 'information' ? '' : `${l.level} `}${l.text}${'\n'}</span>`)}</pre>`}`;
}

/** @param {{ detail: ExecutionDetail, sweep: string, isRead: boolean }} props isRead: it is known why */
function Origin({ detail, sweep, isRead }) {
  const { execution, nearest, computedIn } = detail;
  return html`<section aria-labelledby="cache"><h2 id="cache">${execution.state === 'cached' ? 'Why it was taken from the cache' : 'Why it was not taken from the cache'}</h2>
      ${execution.state === 'cached' ? html`<p>A verified result for its key was there${computedIn && html`: <a href=${to(['sweeps', computedIn.sweep, 'executions', computedIn.index])}>${computedIn.name}, execution ${computedIn.index}</a>`}.</p>`
        : !isRead ? html`<${Loading} what="Looking at earlier executions" />` : nearest ? html`<p>No result has its key. The nearest earlier execution is <a href=${to(['sweeps', nearest.sweep, 'executions', nearest.index])}>${nearest.sweepName}, execution ${nearest.index}</a>; these parts of the key differ:</p>
          <div class="wide" tabindex="0" role="region" aria-label="What differs"><table><thead><tr><th scope="col" class="text">part</th><th scope="col" class="text">then</th><th scope="col" class="text">now</th></tr></thead><tbody>${nearest.differences.map(d => html`<tr key=${d.part}><td class="text">${d.part}</td><td class="text"><code>${short(d.before)}</code></td><td class="text"><code>${short(d.now)}</code></td></tr>`)}</tbody></table></div>`
          : html`<p>No earlier execution of this stage is known: nothing could be reused.</p>`}</section>
    <section aria-labelledby="lineage"><h2 id="lineage">Lineage</h2><ol class="plain lineage">${[...detail.ancestors ?? [], { index: execution.index, stage: execution.stage, state: execution.state, parameters: execution.parameters, varied: execution.varied, output: execution.output }].map(a =>
      html`<li key=${a.index} class="row"><${State} state=${a.state} hasWord=${false} />${a.index === execution.index ? html`<b>${label(a)}</b>` : html`<a href=${to(['sweeps', sweep, 'executions', a.index])}>${label(a)}</a>`}${a.output ? html`<code>${digest(a.output.sha256)}</code><span class="soft">${bytes(a.output.bytes)}</span>` : html`<span class="soft">no checkpoint</span>`}</li>`)}</ol></section>
    <section aria-labelledby="facts"><h2 id="facts">Facts</h2><${Facts} items=${[
      ['Key', execution.key && html`<code>${execution.key}</code> <${Copy} text=${execution.key} />`], ['Input', detail.input && html`<code>${detail.input.sha256}</code>`], ['Output', execution.output && html`<code>${execution.output.sha256}</code> <${Copy} text=${execution.output.sha256} />`],
      ['Stage version', detail.version], ['Worker', execution.worker], ['Attempt', detail.attempt || ''], ['Failures', detail.failures || ''], ['Ready', detail.readyAt && date(detail.readyAt)], ['Sent', detail.sentAt && date(detail.sentAt)], ['Started', detail.startedAt && date(detail.startedAt)], ['Finished', detail.finishedAt && date(detail.finishedAt)],
      ['Trace', detail.trace && (detail.trace.url ? html`<a href=${detail.trace.url} rel="noreferrer">${detail.trace.id}</a>` : html`<code>${detail.trace.id}</code>`)]]} /></section>
    ${(detail.places?.length ?? 0) > 1 && html`<section aria-labelledby="sweeps"><h2 id="sweeps">Sweeps that share it</h2><ul>${detail.places?.map(s => html`<li key=${`${s.sweep}:${s.index}`}><a href=${to(['sweeps', s.sweep, 'executions', s.index])}>${s.name}, execution ${s.index}</a></li>`)}</ul></section>`}`;
}

/** @param {unknown} value */
const short = value => {
  const text = parameter(value ?? 'nothing');
  return text.length > 90 ? `${text.slice(0, 88)}…` : text;
};

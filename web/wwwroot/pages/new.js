// A new sweep: a form made from the stages' schemas, and the sweep file beside it. Each follows the other; the coordinator checks both as one types.

import { html, useEffect, useId, useMemo, useRef, useState } from '../vendor/preact.js';
import { Fault, get, may, post } from '../api.js';
import { capital, clock, counted, label, parameter } from '../format.js';
import { usePolled } from '../live.js';
import { go, to } from '../route.js';
import { Crumbs, FaultNote, Loading, say, useTitle } from '../ui.js';

/** @import { Problem, Schema, StageManifest, SweepCheck, SweepForecast, SweepSpec } from '../types' */

/** @typedef {{ name: string, summary?: string, dataset?: string, parameters?: number, isHere?: boolean }} Named a model or a data set */
/** @typedef {{ priority: number, fresh: boolean, parallel: string }} Options */
/** @typedef {{ from: 'form', spec: SweepSpec } | { from: 'text', yaml: string }} Draft what was changed last */

const patience = 350;

/** @param {{ query: URLSearchParams }} props */
export default function New({ query }) {
  const from = query.get('from');
  useTitle(from ? 'Repeat with changes' : 'New sweep');
  const { data, fault } = usePolled('/stages', 0);
  const stages = /** @type {StageManifest[] | undefined} */ (data);
  const models = /** @type {Named[] | undefined} */ (usePolled('/models', 0).data);
  const datasets = /** @type {Named[] | undefined} */ (usePolled('/datasets', 0).data);
  const [source, setSource] = useState(/** @type {{ spec: SweepSpec, priority: number } | null} */ (null));
  const [wrong, setWrong] = useState(/** @type {Fault | undefined} */ (undefined));
  useEffect(() => {
    setSource(null);
    if (from) get(`/sweeps/${encodeURIComponent(from)}/spec`).then(setSource, setWrong);
  }, [from]);
  const isReady = stages && models && datasets && (!from || source);
  return html`<${Crumbs} items=${[{ title: 'Sweeps', href: to([]) }, { title: from ? 'Repeat with changes' : 'New sweep' }]} />
    <h1>${from ? `Repeat ${source?.spec.name ?? ''} with changes` : 'New sweep'}</h1><${FaultNote} fault=${fault ?? wrong} />
    ${!may('submit') ? html`<div class="note"><p>Submitting needs a key of the scope submit.</p></div>` : !isReady ? !fault && !wrong && html`<${Loading} />`
      : stages.length === 0 ? html`<div class="empty"><p>No stage has been announced: no worker is up, so nothing could run.</p><p><a href=${to(['workers'])}>Workers</a></p></div>`
        : html`<${Writing} key=${from ?? ''} stages=${stages} models=${models} datasets=${datasets} first=${source?.spec ?? usual(stages, models, datasets)} priority=${source?.priority ?? 3} />`}`;
}

/**
 * A first sweep: every stage once, those that only measure after what they measure.
 * @param {StageManifest[]} stages
 * @param {Named[]} models
 * @param {Named[]} datasets
 * @returns {SweepSpec}
 */
function usual(stages, models, datasets) {
  const starts = stages.filter(s => s.input === 'model' && s.output === 'checkpoint').slice(0, 1);
  const measures = stages.filter(s => s.output === 'metrics');
  // The smallest model whose data set is there.
  const isThere = (/** @type {string | undefined} */ name) => datasets.some(d => d.name === name && d.isHere);
  const model = [...models].sort((a, b) => Number(isThere(b.dataset)) - Number(isThere(a.dataset)) || (a.parameters ?? 0) - (b.parameters ?? 0))[0];
  const dataset = model && isThere(model.dataset) ? model.dataset : (datasets.find(d => d.isHere) ?? datasets[0])?.name;
  return {
    name: 'my-sweep', models: model ? [model.name] : [], datasets: dataset ? [dataset] : [], seeds: [1],
    stages: [...starts, ...measures].map(s => ({ stage: s.name, parameters: {} })),
  };
}

/** @param {{ stages: StageManifest[], models: Named[], datasets: Named[], first: SweepSpec, priority: number }} props */
function Writing({ stages, models, datasets, first, priority }) {
  const [draft, setDraft] = useState(/** @type {Draft} */ ({ from: 'form', spec: first }));
  const [spec, setSpec] = useState(first);
  const [yaml, setYaml] = useState('');
  const [check, setCheck] = useState(/** @type {SweepCheck | null} */ (null));
  const [plan, setPlan] = useState(/** @type {SweepForecast | null} */ (null));
  const [fault, setFault] = useState(/** @type {Fault | undefined} */ (undefined));
  const [isChecking, setChecking] = useState(true);
  const [isSending, setSending] = useState(false);
  const [options, setOptions] = useState(/** @type {Options} */ ({ priority, fresh: false, parallel: '' }));
  // The same request twice gives one sweep, also when the first answer was lost.
  const request = useMemo(() => crypto.randomUUID?.() ?? String(Math.random()), [draft, options]);
  const body = (/** @type {Draft} */ d) => ({
    ...(d.from === 'form' ? { spec: d.spec } : { yaml: d.yaml }), priority: options.priority, ...(options.fresh && { fresh: true }), ...(options.parallel !== '' && { limits: { parallel: Number(options.parallel) } }),
  });

  useEffect(() => {
    const stop = new AbortController();
    setChecking(true);
    const timer = setTimeout(async () => {
      try {
        const answer = /** @type {SweepCheck} */ (await post('/sweeps/check', body(draft), {}, stop.signal));
        setFault(undefined);
        setCheck(answer);
        if (draft.from === 'form' && answer.yaml != null) setYaml(answer.yaml);
        if (draft.from === 'text' && answer.spec) setSpec(answer.spec);
        setChecking(false);
        setPlan(answer.problems.length === 0 ? await post('/sweeps/plan?limit=200', body(draft), {}, stop.signal) : null);
      } catch (e) {
        if (stop.signal.aborted) return;
        if (!(e instanceof Fault)) throw e;
        setFault(e);
        setChecking(false);
      }
    }, patience);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [draft, options]);

  const change = (/** @type {Partial<SweepSpec>} */ part) => {
    const next = { ...spec, ...part };
    setSpec(next);
    setDraft({ from: 'form', spec: next });
  };
  const problems = check?.problems ?? [];
  const send = async () => {
    setSending(true);
    try {
      const answer = await post('/sweeps', body(draft), { 'Idempotency-Key': request });
      say('Submitted.');
      go(['sweeps', answer.id]);
    } catch (e) {
      if (!(e instanceof Fault)) throw e;
      setFault(e);
    }
    setSending(false);
  };

  return html`<div class="two"><form onSubmit=${(/** @type {Event} */ e) => e.preventDefault()} aria-label="Sweep"><${Form} spec=${spec} change=${change} stages=${stages} models=${models} datasets=${datasets} problems=${problems} /></form>
    <div class="aside"><section aria-labelledby="file"><h2 id="file">Sweep file</h2><${Editor} text=${yaml} change=${(/** @type {string} */ text) => { setYaml(text); setDraft({ from: 'text', yaml: text }); }} problems=${problems} /></section>
      <section aria-labelledby="plan"><h2 id="plan">Plan</h2><${FaultNote} fault=${fault} />
        <div role="status">${isChecking ? html`<p class="soft checking">Checking …</p>` : problems.length > 0 ? html`<p class="failed">${counted(problems.length, 'problem')}: nothing can run like that.</p>` : !fault && html`<p>${check?.executions != null && counted(check.executions, 'execution')}${plan && plan.size > 0 && html`, ${plan.steps.reduce((n, s) => n + s.cached, 0)} of them cached`}${plan?.seconds != null && `, ${plan.isPart ? 'at least ' : 'about '}${clock(plan.seconds)} on one worker`}.</p>`}</div>
        ${check?.notes.map((n, i) => html`<p class="soft" key=${i}>${n}</p>`)}
        ${plan && !isChecking && plan.steps.length > 0 && html`<${Plan} plan=${plan} />`}
        <div class="fields filters"><div class="field"><label for="priority">Priority</label><select id="priority" value=${options.priority} onChange=${(/** @type {any} */ e) => setOptions({ ...options, priority: Number(e.target.value) })}>${[5, 4, 3, 2, 1].map(n => html`<option key=${n} value=${n}>${n}${n === 3 ? ', usual' : ''}</option>`)}</select></div>
          <div class="field"><label for="parallel">At most at one time</label><input id="parallel" type="number" min="1" value=${options.parallel} onInput=${(/** @type {any} */ e) => setOptions({ ...options, parallel: e.target.value })} /><small>Executions of this sweep with workers. Empty: no limit.</small></div>
          <div class="field"><label class="check"><input type="checkbox" checked=${options.fresh} onChange=${(/** @type {any} */ e) => setOptions({ ...options, fresh: e.target.checked })} />Run everything again</label><small>Otherwise results that are there are reused.</small></div></div>
        <p><button type="button" class="main" disabled=${isChecking || isSending || problems.length > 0 || fault !== undefined} onClick=${send}>${isSending ? 'Submitting …' : 'Start the sweep'}</button></p></section></div></div>`;
}

/** @param {{ plan: SweepForecast }} props */
const Plan = ({ plan }) => html`<div class="wide" tabindex="0" role="region" aria-label="Plan by stage"><table class="full"><thead><tr><th scope="col" class="text">stage</th><th scope="col">executions</th><th scope="col">cached</th><th scope="col">time on one worker</th></tr></thead><tbody>${plan.steps.map(s =>
  html`<tr key=${s.step}><td class="text">${s.stage} <small>${s.version}</small></td><td>${s.executions.toLocaleString('en-US')}</td><td>${s.cached.toLocaleString('en-US')}</td><td>${s.seconds == null ? (s.executions === s.cached ? '0:00' : 'unknown') : clock(s.seconds)}</td></tr>`)}</tbody></table></div>
  <details><summary>${plan.size > plan.executions.length ? `The first ${plan.executions.length} executions` : 'Every execution'}</summary><ul class="plain">${plan.executions.map(e => html`<li key=${e.index} class="soft" style=${{ paddingLeft: `${depth(plan, e.index)}rem` }}>${label(e)}${e.isCached ? ', cached' : ''}</li>`)}</ul></details>`;

/**
 * @param {SweepForecast} plan
 * @param {number} index
 */
function depth(plan, index) {
  let n = 0;
  for (let at = plan.executions.find(e => e.index === index); at?.parent != null; n++) at = plan.executions.find(e => e.index === at?.parent);
  return n;
}

/** @param {{ spec: SweepSpec, change: (part: Partial<SweepSpec>) => void, stages: StageManifest[], models: Named[], datasets: Named[], problems: Problem[] }} props */
function Form({ spec, change, stages, models, datasets, problems }) {
  const at = (/** @type {string} */ key) => problems.find(p => p.path === `/${key}` || p.path.startsWith(`/${key}/`) || p.path === `/${key}s` || p.path.startsWith(`/${key}s/`))?.message;
  const set = (/** @type {number} */ i, /** @type {Record<string, unknown>} */ parameters) => change({ stages: spec.stages.map((s, k) => k === i ? { ...s, parameters } : s) });
  const move = (/** @type {number} */ i, /** @type {number} */ by) => {
    const next = [...spec.stages];
    const [one] = next.splice(i, 1);
    if (one) next.splice(i + by, 0, one);
    change({ stages: next });
  };
  const [added, setAdded] = useState('');
  return html`<h2>Sweep</h2><p class="soft">Where a value stands, several separated by commas make an axis: two shares and two widths give four results.</p>
    <div class="fields"><${Words} name="Name" id="f-name" value=${spec.name} problem=${at('name')} change=${(/** @type {string} */ v) => change({ name: v })} />
      <${Words} name="Model" id="f-model" value=${spec.models.join(', ')} list=${models} problem=${at('model')} change=${(/** @type {string} */ v) => change({ models: split(v) })} />
      <${Words} name="Data set" id="f-dataset" value=${spec.datasets.join(', ')} list=${datasets} problem=${at('dataset')} change=${(/** @type {string} */ v) => change({ datasets: split(v) })} />
      <${Words} name="Seed" id="f-seed" value=${spec.seeds.join(', ')} problem=${at('seed')} change=${(/** @type {string} */ v) => change({ seeds: split(v).map(Number).filter(Number.isFinite) })} />
      <${Words} name="Threads" id="f-threads" value=${spec.threads ?? ''} about="CPU threads of each computation. Empty: all that the worker has." problem=${at('threads')} change=${(/** @type {string} */ v) => change({ threads: v.trim() === '' ? null : Number(v) })} />
      <div class="field"><label for="f-device">Device</label><select id="f-device" value=${spec.device ?? ''} onChange=${(/** @type {any} */ e) => change({ device: e.target.value || null })}><option value="">what the worker has</option><option value="cpu">CPU</option><option value="cuda">CUDA</option></select></div></div>
    <h2>Stages</h2>${at('stages') && spec.stages.length === 0 && html`<p class="failed">${at('stages')}</p>`}
    <ol class="plain">${spec.stages.map((stage, i) => html`<li key=${i}><${Stage} stage=${stage} at=${i} of=${spec.stages.length} manifest=${stages.find(s => s.name === stage.stage)} problems=${problems.filter(p => p.path.startsWith(`/stages/${i}`) && !p.path.startsWith(`/stages/${i}0`))}
      change=${(/** @type {Record<string, unknown>} */ p) => set(i, p)} move=${(/** @type {number} */ by) => move(i, by)} remove=${() => change({ stages: spec.stages.filter((_, k) => k !== i) })} /></li>`)}</ol>
    <div class="row"><label for="f-add">Add a stage</label><select id="f-add" value=${added} onChange=${(/** @type {any} */ e) => setAdded(e.target.value)}><option value="">choose …</option>${stages.map(s => html`<option key=${s.name} value=${s.name}>${s.name}: ${s.summary}</option>`)}</select>
      <button type="button" disabled=${!added} onClick=${() => { change({ stages: [...spec.stages, { stage: added, parameters: {} }] }); setAdded(''); }}>Add</button></div>`;
}

/** @param {{ name: string, id: string, value: string | number, change: (v: string) => void, list?: Named[], problem?: string, about?: string }} props a field that keeps what one types until it is understood */
function Words({ name, id, value, change, list, problem, about }) {
  const [typed, set] = useState(/** @type {string | null} */ (null));
  return html`<div class="field"><label for=${id}>${name}</label><input id=${id} list=${list && `${id}-list`} autocomplete="off" value=${typed ?? value} aria-invalid=${problem ? 'true' : undefined} aria-describedby=${`${id}-about`} onInput=${(/** @type {any} */ e) => { set(e.target.value); change(e.target.value); }} onBlur=${() => set(null)} />
    ${list && html`<datalist id=${`${id}-list`}>${list.map(o => html`<option key=${o.name} value=${o.name}>${o.summary}</option>`)}</datalist>`}<span id=${`${id}-about`}>${problem && html`<span class="problem">${problem}</span>`} ${about && html`<small>${about}</small>`}</span></div>`;
}

/** @param {{ stage: SweepSpec['stages'][number], at: number, of: number, manifest: StageManifest | undefined, problems: Problem[], change: (p: Record<string, unknown>) => void, move: (by: number) => void, remove: () => void }} props */
function Stage({ stage, at, of, manifest, problems, change, move, remove }) {
  const id = useId();
  const properties = Object.entries(manifest?.parametersSchema?.properties ?? {}).filter(([, s]) => !s['x-lathe-model']);
  const given = new Set(Object.keys(stage.parameters));
  const [opened] = useState(() => new Set(given));
  const first = properties.filter(([name]) => given.has(name) || opened.has(name) || problems.some(p => p.path.endsWith(`/${name}`)));
  const rest = properties.filter(([name]) => !first.some(([n]) => n === name));
  const general = problems.filter(p => !properties.some(([name]) => p.path.includes(`/${name}`)));
  const field = (/** @type {[string, Schema]} */ [name, schema]) => html`<${Parameter} key=${name} id=${`${id}-${name}`} name=${name} schema=${schema} value=${stage.parameters[name]} problem=${problems.find(p => p.path.includes(`/${name}`))?.message} change=${(/** @type {unknown} */ v) => {
    opened.add(name);
    const next = { ...stage.parameters };
    if (v === undefined) delete next[name];
    else next[name] = v;
    change(next);
  }} />`;
  return html`<section class="card stage" aria-labelledby=${id}><div class="row apart"><h3 id=${id}>${at + 1}. ${capital(stage.stage)}</h3><div class="row"><button type="button" class="small" disabled=${at === 0} aria-label=${`Move ${stage.stage} up`} onClick=${() => move(-1)}>↑</button><button type="button" class="small" disabled=${at === of - 1} aria-label=${`Move ${stage.stage} down`} onClick=${() => move(1)}>↓</button><button type="button" class="small bad" aria-label=${`Remove ${stage.stage}`} onClick=${remove}>Remove</button></div></div>
    <p class="soft">${manifest?.summary ?? 'No worker of this stage is up, so its parameters are not known here.'}</p>${general.map((p, i) => html`<p class="failed" key=${i}>${p.message}</p>`)}
    <div class="fields">${first.map(field)}</div>${rest.length > 0 && html`<details open=${first.length === 0 && rest.length <= 6}><summary>${first.length === 0 ? 'Parameters' : `${rest.length} more parameters`}</summary><div class="fields">${rest.map(field)}</div></details>`}</section>`;
}

/** @param {{ id: string, name: string, schema: Schema, value: unknown, problem?: string, change: (v: unknown) => void }} props */
function Parameter({ id, name, schema, value, problem, change }) {
  const [typed, set] = useState(/** @type {string | null} */ (null));
  const types = schemaTypes(schema);
  const choices = /** @type {any[] | null} */ (schema.enum ?? (types.has('boolean') && !types.has('string') ? [true, false] : null));
  const about = html`<span id=${`${id}-about`}>${problem && html`<span class="problem">${problem}</span>`} <small>${[schema.description ?? schema.title, range(schema)].filter(t => t).join(' ')}</small></span>`;
  const usual = schema.default === undefined ? 'required' : schema.default === null ? 'none' : parameter(schema.default) || 'empty';
  if (choices && (value === undefined || Array.isArray(value) || choices.includes(/** @type {any} */ (value)))) {
    const chosen = /** @type {unknown[]} */ (value === undefined ? [] : Array.isArray(value) ? value : [value]);
    const toggle = (/** @type {unknown} */ v, /** @type {boolean} */ isOn) => {
      const next = choices.filter(c => c === v ? isOn : chosen.includes(c));
      change(next.length === 0 ? undefined : next.length === 1 ? next[0] : next);
    };
    return html`<fieldset class="field choice" aria-describedby=${`${id}-about`}><legend>${name}</legend><div class="row">${choices.map(c => html`<label class="check" key=${String(c)}><input type="checkbox" checked=${chosen.includes(c)} onChange=${(/** @type {any} */ e) => toggle(c, e.target.checked)} />${String(c)}${chosen.length === 0 && c === schema.default ? html` <small>usual</small>` : ''}</label>`)}</div>${about}</fieldset>`;
  }
  return html`<div class="field"><label for=${id}>${name}</label><input id=${id} autocomplete="off" placeholder=${usual} value=${typed ?? written(value)} aria-invalid=${problem ? 'true' : undefined} aria-describedby=${`${id}-about`}
    onInput=${(/** @type {any} */ e) => { set(e.target.value); change(readValue(e.target.value, types)); }} onBlur=${() => set(null)} />${about}</div>`;
}

/** @param {unknown} value a value or an axis in one line */
const written = value => value === undefined ? '' : Array.isArray(value) ? value.map(v => typeof v === 'object' ? JSON.stringify(v) : String(v)).join(', ') : typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);

/**
 * What was typed, as JSON; undefined where nothing was. Commas make a list, but not in a parameter that is a text itself.
 * @param {string} text
 * @param {Set<string>} types
 */
function readValue(text, types) {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  if (/^[[{]/.test(trimmed)) {
    try {
      return JSON.parse(trimmed);
    } catch {
      return trimmed;
    }
  }
  if (types.has('string') && !types.has('number') && !types.has('integer')) return trimmed;
  const parts = trimmed.split(',').map(p => p.trim()).filter(p => p).map(p => p === 'null' ? null : p === 'true' ? true : p === 'false' ? false : Number.isFinite(Number(p)) ? Number(p) : p);
  return parts.length === 1 && !trimmed.includes(',') ? parts[0] : parts;
}

/** @param {Schema} schema */
const schemaTypes = schema => new Set([schema.type ?? [], ...(schema.anyOf ?? []).map(s => s.type ?? [])].flat(2));

/** @param {Schema} schema */
function range(schema) {
  const least = schema.minimum ?? schema.exclusiveMinimum;
  const greatest = schema.maximum ?? schema.exclusiveMaximum;
  if (least === undefined && greatest === undefined) return '';
  return `${least === undefined ? '' : schema.minimum === undefined ? `Above ${least}` : `From ${least}`}${greatest === undefined ? '' : ` to ${schema.maximum === undefined ? 'below ' : ''}${greatest}`}.`.trim();
}

/** @param {string} text */
const split = text => text.split(',').map(t => t.trim()).filter(t => t);

/** @param {{ text: string, change: (text: string) => void, problems: Problem[] }} props */
function Editor({ text, change, problems }) {
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const lines = useRef(/** @type {HTMLPreElement | null} */ (null));
  const bad = new Map(problems.flatMap(p => p.line ? [[p.line, p.message]] : []));
  const count = Math.max(1, text.split('\n').length);
  const show = (/** @type {Problem} */ p) => {
    if (!area.current || !p.line) return;
    const all = text.split('\n');
    const from = all.slice(0, p.line - 1).reduce((n, l) => n + l.length + 1, 0);
    area.current.focus();
    area.current.setSelectionRange(from + Math.max(0, (p.column ?? 1) - 1), from + (all[p.line - 1]?.length ?? 0));
  };
  // Tab goes on to the next control, as everywhere; two spaces are soon typed.
  return html`<div class="editor mono"><pre class="lines mono" aria-hidden="true" ref=${lines}>${Array.from({ length: count }, (_, i) => bad.has(i + 1) ? html`<b title=${bad.get(i + 1)}>● ${i + 1}${'\n'}</b>` : `${i + 1}\n`)}</pre>
      <textarea ref=${area} class="mono" aria-label="Sweep file, YAML" aria-invalid=${problems.length > 0 ? 'true' : undefined} aria-describedby="problems" spellcheck=${false} autocapitalize="off" rows=${Math.min(40, Math.max(16, count + 1))} value=${text} onInput=${(/** @type {any} */ e) => change(e.target.value)} onScroll=${(/** @type {any} */ e) => { if (lines.current) lines.current.scrollTop = e.target.scrollTop; }} /></div>
    <ul class="plain problems" id="problems" aria-label="Problems">${problems.map((p, i) => html`<li key=${i}>${p.line ? html`<button type="button" class="small" onClick=${() => show(p)}>line ${p.line}</button> ` : ''}<span class="failed">${p.path && !p.line && html`<code>${p.path}</code> `}${p.message}</span></li>`)}</ul>`;
}

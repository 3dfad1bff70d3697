// A new sweep: a form made from the stages' schemas, and the sweep file beside it. Each follows the other; the coordinator checks both as one types.

import { html, useEffect, useMemo, useRef, useState } from '../vendor/preact.js';
import { Fault, isAway, may, post } from '../api.js';
import { Editor } from '../form/editor.js';
import { FlowFault, readFlow } from '../form/flow.js';
import { Form, keepNames, placeOf } from '../form/form.js';
import { Notes } from '../form/parameter.js';
import { clock, counted, label } from '../format.js';
import { usePolled } from '../live.js';
import { go, hold, to } from '../route.js';
import { Crumbs, FaultNote, Loading, ask, say, useTitle } from '../ui.js';

/** @import { StageManifest, SweepCheck, SweepForecast, SweepSpec } from '../types' */
/** @import { Named } from '../form/form.js' */

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
  const { data: sourceData, fault: wrong } = usePolled(from ? `/sweeps/${encodeURIComponent(from)}/spec` : null, 0);
  const source = /** @type {{ spec: SweepSpec, priority: number } | undefined} */ (sourceData);
  const isReady = stages && models && datasets && (!from || source);
  return html`<${Crumbs} items=${[{ title: 'Sweeps', href: to([]) }, { title: from ? 'Repeat with changes' : 'New sweep' }]} />
    <h1>${from ? `Repeat ${source?.spec.name ?? ''} with changes` : 'New sweep'}</h1><${FaultNote} fault=${fault ?? wrong} />
    ${!may('submit') ? html`<div class="note"><p>Submitting needs a key of the scope submit.</p></div>` : !isReady ? (isAway.value || (!fault && !wrong)) && html`<${Loading} />`
      : stages.length === 0 ? html`<div class="empty"><p>No stage has been announced: no worker is up, so nothing could run.</p><p><a href=${to(['workers'])}>Workers</a></p></div>`
        : html`<${Writing} key=${from ?? ''} stages=${stages} models=${models} datasets=${datasets} first=${source ? again(source.spec, query.get('set') ?? '', stages) : usual(stages, models, datasets)} priority=${source?.priority ?? 3} />`}`;
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

/**
 * A sweep to be repeated, under a name of its own.
 * @param {SweepSpec} spec
 * @param {string} set a change, as with lathe run --set: quantize.activations=8
 * @param {StageManifest[]} stages
 * @returns {SweepSpec}
 */
function again(spec, set, stages) {
  const [, base = spec.name, n = '1'] = /^(.*?)-(\d{1,3})$/.exec(spec.name) ?? [];
  const next = { ...spec, name: `${base}-${Number(n) + 1}` };
  const [, stage, name, text] = /^([\w-]+)\.(\w+)=(.*)$/.exec(set) ?? [];
  if (!stage || !name || text === undefined) return next;
  try {
    const value = readFlow(text);
    const steps = spec.stages.map(s => s.stage === stage ? { ...s, parameters: { ...s.parameters, [name]: value } } : s);
    // A sweep without the stage gets it before what measures its end.
    if (!steps.some(s => s.stage === stage)) {
      const isMeasure = (/** @type {string | undefined} */ of) => stages.find(m => m.name === of)?.output === 'metrics';
      steps.splice(steps.length - (isMeasure(steps.at(-1)?.stage) ? 1 : 0), 0, { stage, parameters: { [name]: value } });
    }
    return { ...next, stages: steps };
  } catch (e) {
    if (!(e instanceof FlowFault)) throw e;
    return next;
  }
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
  // What a field of the form has that is no value: nothing can start like that.
  const [wrong, setWrong] = useState(/** @type {Record<string, string>} */ ({}));
  const start = useRef(draft);
  const isSent = useRef(false);
  const isUnsaved = draft !== start.current || Object.keys(wrong).length > 0;
  useEffect(() => {
    if (!isUnsaved) return;
    const stay = (/** @type {BeforeUnloadEvent} */ e) => {
      if (!isSent.current) e.preventDefault();
    };
    addEventListener('beforeunload', stay);
    const release = hold(() => isSent.current || ask({ title: 'Leave without starting it?', text: 'What you wrote here is not kept anywhere.', yes: 'Leave', no: 'Stay here', isBad: true }));
    return () => {
      removeEventListener('beforeunload', stay);
      release();
    };
  }, [isUnsaved]);
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
        if (draft.from === 'text' && answer.spec && answer.problems.every(p => p.path.startsWith('/limits'))) {
          const read = answer.spec;
          setSpec(old => {
            keepNames(old.stages, read.stages);
            return read;
          });
        }
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
  }, [draft, options, isAway.value]);

  const change = (/** @type {Partial<SweepSpec>} */ part) => {
    const next = { ...spec, ...part };
    setSpec(next);
    setDraft({ from: 'form', spec: next });
  };
  const problems = check?.problems ?? [];
  const limits = problems.filter(p => p.path.startsWith('/limits')).map(p => p.message);
  // A form that is changed writes the file anew, so it waits until the file can be read.
  const isUnread = draft.from === 'text' && (isChecking || fault !== undefined || problems.some(p => !p.path.startsWith('/limits')));
  const send = async () => {
    setSending(true);
    try {
      const answer = await post('/sweeps', body(draft), { 'Idempotency-Key': request });
      isSent.current = true;
      say('Submitted.');
      go(['sweeps', answer.id]);
    } catch (e) {
      if (!(e instanceof Fault)) throw e;
      setFault(e);
    }
    setSending(false);
  };

  // Without the attribute disabled, which would take the focus away while it is sent, and when it is refused.
  const isBarred = isChecking || isSending || problems.length > 0 || fault !== undefined || Object.keys(wrong).length > 0;
  const place = (/** @type {string} */ path) => placeOf(path, spec);
  return html`<div class="two writing"><form onSubmit=${(/** @type {Event} */ e) => e.preventDefault()} aria-label="Sweep">
      ${isUnread && !isChecking && html`<div class="note locked" role="status"><p><b>The file is not valid.</b> The form shows its last valid state, and can be changed again when the file is mended.</p>
        <p><button type="button" onClick=${() => setDraft({ from: 'form', spec })}>Go back to the last valid state</button></p></div>`}
      <fieldset class="bare" disabled=${isUnread}><${Form} spec=${spec} change=${change} stages=${stages} models=${models} datasets=${datasets} problems=${draft.from === 'form' || !isUnread ? problems : []} wrong=${wrong} setWrong=${setWrong} /></fieldset></form>
    <div class="aside"><section aria-labelledby="file"><h2 id="file">Sweep file</h2><${Editor} text=${yaml} place=${place} change=${(/** @type {string} */ text) => { setYaml(text); setDraft({ from: 'text', yaml: text }); }} problems=${problems} /></section>
      <section aria-labelledby="plan"><h2 id="plan">Plan</h2><${FaultNote} fault=${fault} />
        <div role="status">${isChecking ? html`<p class="soft checking">Checking …</p>` : problems.length > 0 ? html`<p class="failed">${counted(problems.length, 'problem')}: nothing can run like that.</p>` : Object.keys(wrong).length > 0 ? html`<p class="failed">A field of the form has no value that can be used.</p>` : !fault && html`<p>${check?.executions != null && counted(check.executions, 'execution')}${plan && plan.size > 0 && html`, ${plan.steps.reduce((n, s) => n + s.cached, 0)} of them cached`}${plan?.seconds != null && `, ${plan.isPart ? 'at least ' : 'about '}${clock(plan.seconds)} on one worker`}.</p>`}</div>
        ${check?.notes.map((n, i) => html`<p class="soft" key=${i}>${n}</p>`)}
        ${plan && !isChecking && plan.steps.length > 0 && html`<${Plan} plan=${plan} />`}
        <div class="fields filters"><div class="field"><label for="priority">Priority</label><select id="priority" value=${options.priority} onChange=${(/** @type {any} */ e) => setOptions({ ...options, priority: Number(e.target.value) })}>${[5, 4, 3, 2, 1].map(n => html`<option key=${n} value=${n}>${n}${n === 3 ? ', usual' : ''}</option>`)}</select></div>
          <div class="field"><label for="parallel">At most at one time</label><input id="parallel" type="number" min="1" value=${options.parallel} aria-invalid=${limits.length > 0 ? 'true' : undefined} aria-describedby="parallel-about" onInput=${(/** @type {any} */ e) => setOptions({ ...options, parallel: e.target.value })} /><${Notes} id="parallel-about" problems=${limits} about="Executions of this sweep with workers. Empty: no limit." /></div>
          <div class="field"><label class="check"><input type="checkbox" checked=${options.fresh} onChange=${(/** @type {any} */ e) => setOptions({ ...options, fresh: e.target.checked })} />Run everything again</label><small>Otherwise results that are there are reused.</small></div></div>
        <p class="start"><button type="button" class="main" aria-disabled=${isBarred ? 'true' : undefined} onClick=${() => isBarred || send()}>${isSending ? 'Submitting …' : 'Start the sweep'}</button></p></section></div></div>`;
}

/** @param {{ plan: SweepForecast }} props */
const Plan = ({ plan }) => html`<div class="wide" tabindex="0" role="region" aria-label="Plan by stage"><table class="full"><thead><tr><th scope="col" class="text">stage</th><th scope="col">executions</th><th scope="col">cached</th><th scope="col">time on one worker</th></tr></thead><tbody>${plan.steps.map(s =>
  html`<tr key=${s.step}><td class="text">${s.stage} <small>version ${s.version}</small></td><td>${s.executions.toLocaleString('en-US')}</td><td>${s.cached.toLocaleString('en-US')}</td><td>${s.seconds == null ? (s.executions === s.cached ? '0:00' : 'unknown') : clock(s.seconds)}</td></tr>`)}</tbody></table></div>
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

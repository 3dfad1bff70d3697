// The form of a sweep, made from the stages' schemas.

import { html, useId, useLayoutEffect, useRef, useState } from '../vendor/preact.js';
import { capital, counted } from '../format.js';
import { Notes, Parameter } from './parameter.js';

/** @import { Problem, Schema, StageManifest, SweepSpec } from '../types' */

/** @typedef {{ name: string, summary?: string, dataset?: string, parameters?: number, isHere?: boolean }} Named a model or a data set */
/** @typedef {SweepSpec['stages'][number]} Step */

/** Names for the cards of stages, which a card keeps when it moves or its parameters change. @type {WeakMap<Step, number>} */
const names = new WeakMap();
let nextName = 1;

/** @param {Step} step */
const nameOf = step => {
  const known = names.get(step);
  if (known !== undefined) return known;
  names.set(step, nextName);
  return nextName++;
};

/**
 * Gives stages that were read anew the names of the cards in their places, so that a card that is open stays open.
 * @param {Step[]} before
 * @param {Step[]} now
 */
export function keepNames(before, now) {
  now.forEach((step, i) => {
    const old = before[i];
    if (old && old.stage === step.stage) names.set(step, nameOf(old));
  });
}

/**
 * Where a problem is, in the words of the form.
 * @param {string} path
 * @param {SweepSpec} spec
 */
export function placeOf(path, spec) {
  const [first = '', index, ...rest] = path.split('/').slice(1);
  if (first === 'stages' && index !== undefined) {
    const stage = spec.stages[Number(index)]?.stage;
    const parts = rest[0] === 'parameters' ? rest.slice(1) : rest.filter((part, i) => i > 0 || part !== stage);
    return `${Number(index) + 1}. ${capital(stage ?? 'stage')}${parts.length ? `: ${parts.join(' ')}` : ''}`;
  }
  return ({ models: 'Model', model: 'Model', datasets: 'Data set', dataset: 'Data set', seeds: 'Seed', seed: 'Seed', threads: 'Threads', device: 'Device', pool: 'Pool', name: 'Name', stages: 'Stages', limits: 'At most at one time' })[first] ?? path;
}

/**
 * Where a stage goes that is added: one that makes networks goes before the stages at the end that only measure, so that its result is measured.
 * @param {Step[]} steps
 * @param {StageManifest | undefined} added
 * @param {(step: Step) => StageManifest | undefined} manifest
 */
function placeFor(steps, added, manifest) {
  let at = steps.length;
  if (added?.output === 'checkpoint') while (at > 0 && manifest(/** @type {Step} */ (steps[at - 1]))?.output === 'metrics') at--;
  // A stage that starts from a model has nothing before it.
  return added?.input === 'model' ? 0 : at === 0 ? steps.length : at;
}

/**
 * @param {{
 *   spec: SweepSpec, change: (part: Partial<SweepSpec>) => void, stages: StageManifest[], models: Named[], datasets: Named[], problems: Problem[],
 *   wrong: Record<string, string>, setWrong: (wrong: Record<string, string>) => void,
 * }} props wrong: what a field has that is no value, by the field
 */
export function Form({ spec, change, stages, models, datasets, problems, wrong, setWrong }) {
  const root = useRef(/** @type {HTMLElement | null} */ (null));
  // Where the focus goes when the cards have their new places.
  const wanted = useRef('');
  useLayoutEffect(() => {
    if (!wanted.current) return;
    const found = /** @type {HTMLElement | null | undefined} */ (wanted.current.split(';').map(one => root.current?.querySelector(one)).find(one => one && !one.matches(':disabled')));
    wanted.current = '';
    found?.focus();
  });
  const [added, setAdded] = useState('');
  const manifest = (/** @type {Step} */ step) => stages.find(s => s.name === step.stage);
  const at = (/** @type {string} */ key) => [...wrong[key] ? [wrong[key]] : [], ...problems.filter(p => p.path === `/${key}` || p.path.startsWith(`/${key}/`) || p.path === `/${key}s` || p.path.startsWith(`/${key}s/`)).map(p => p.message)];
  const set = (/** @type {number} */ i, /** @type {Record<string, unknown>} */ parameters) => change({
    stages: spec.stages.map((s, k) => {
      if (k !== i) return s;
      const next = { ...s, parameters };
      names.set(next, nameOf(s));
      return next;
    }),
  });
  const move = (/** @type {number} */ i, /** @type {number} */ by) => {
    const next = [...spec.stages];
    const [one] = next.splice(i, 1);
    if (!one) return;
    next.splice(i + by, 0, one);
    const card = `[data-card="${nameOf(one)}"]`;
    wanted.current = `${card} .${by < 0 ? 'up' : 'down'};${card} .${by < 0 ? 'down' : 'up'}`;
    change({ stages: next });
  };
  const removeAt = (/** @type {number} */ i) => {
    const next = spec.stages.filter((_, k) => k !== i);
    const beside = next[Math.min(i, next.length - 1)];
    wanted.current = `${beside ? `[data-card="${nameOf(beside)}"] .remove;` : ''}select.add`;
    change({ stages: next });
  };
  const add = () => {
    const step = { stage: added, parameters: {} };
    const next = [...spec.stages];
    next.splice(placeFor(next, manifest(step), manifest), 0, step);
    wanted.current = `[data-card="${nameOf(step)}"] h3`;
    setAdded('');
    change({ stages: next });
  };
  /**
   * A field of whole numbers: what is none stays in the field and is said there.
   * @param {string} key
   * @param {string} text
   * @param {string} expected
   * @param {(numbers: number[]) => Partial<SweepSpec>} part
   * @param {boolean} [isOne]
   */
  const numbers = (key, text, expected, part, isOne = false) => {
    const words = isOne ? [text.trim()].filter(t => t) : split(text);
    const bad = words.find(w => !/^\d+$/.test(w) || !Number.isSafeInteger(Number(w)));
    const { [key]: _, ...others } = wrong;
    setWrong(bad === undefined ? others : { ...wrong, [key]: `"${bad}" is no whole number; expected ${expected}.` });
    if (bad === undefined) change(part(words.map(Number)));
  };
  const last = spec.stages.at(-1);
  const measuring = stages.filter(s => s.output === 'metrics').map(s => s.name);
  return html`<div ref=${root}><h2>Sweep</h2><p class="soft">Where a value stands, several separated by commas make an axis: two shares and two widths give four results.</p>
    <div class="fields"><${Words} name="Name" id="f-name" value=${spec.name} problems=${at('name')} change=${(/** @type {string} */ v) => change({ name: v })} />
      <${Words} name="Model" id="f-model" value=${spec.models.join(', ')} list=${models} problems=${at('model')} change=${(/** @type {string} */ v) => change({ models: split(v) })} />
      <${Words} name="Data set" id="f-dataset" value=${spec.datasets.join(', ')} list=${datasets} problems=${at('dataset')} change=${(/** @type {string} */ v) => change({ datasets: split(v) })} />
      <${Words} name="Seed" id="f-seed" value=${spec.seeds.join(', ')} isWrong=${'seed' in wrong} problems=${at('seed')} change=${(/** @type {string} */ v) => numbers('seed', v, 'whole numbers from 0 on, for example 1, 2, 3', seeds => ({ seeds }))} />
      <${Words} name="Threads" id="f-threads" value=${spec.threads ?? ''} isWrong=${'threads' in wrong} about="CPU threads of each computation. Empty: all that the worker has." problems=${at('threads')}
        change=${(/** @type {string} */ v) => numbers('threads', v, 'one whole number, or nothing', ([threads]) => ({ threads: threads ?? null }), true)} />
      <div class="field"><label for="f-device">Device</label><select id="f-device" value=${spec.device ?? ''} onChange=${(/** @type {any} */ e) => change({ device: e.target.value || null })}><option value="">what the worker has</option><option value="cpu">CPU</option><option value="cuda">CUDA</option></select></div></div>
    <h2>Stages</h2>${spec.stages.length === 0 && at('stages').map(p => html`<p class="failed">${p}</p>`)}
    <ol class="plain">${spec.stages.map((stage, i) => html`<li key=${nameOf(stage)} data-card=${nameOf(stage)}><${Stage} stage=${stage} at=${i} of=${spec.stages.length} manifest=${manifest(stage)} problems=${problems.filter(p => p.path === `/stages/${i}` || p.path.startsWith(`/stages/${i}/`))}
      change=${(/** @type {Record<string, unknown>} */ p) => set(i, p)} move=${(/** @type {number} */ by) => move(i, by)} remove=${() => removeAt(i)} /></li>`)}</ol>
    ${last && measuring.length > 0 && manifest(last)?.output === 'checkpoint' && html`<p class="note unmeasured">Nothing measures what ${last.stage} makes: the sweep ends with it, and nobody will know how good its results are. Add ${measuring.join(' or ')} at the end.</p>`}
    <div class="row"><label for="f-add">Add a stage</label><select class="add" id="f-add" value=${added} onChange=${(/** @type {any} */ e) => setAdded(e.target.value)}><option value="">choose …</option>${stages.map(s => html`<option key=${s.name} value=${s.name}>${s.name}: ${s.summary}</option>`)}</select>
      <button type="button" disabled=${!added} onClick=${add}>Add</button></div></div>`;
}

/** @param {{ name: string, id: string, value: string | number, change: (v: string) => void, list?: Named[], problems: string[], about?: string, isWrong?: boolean }} props a field that keeps what one types until it is understood */
function Words({ name, id, value, change, list, problems, about, isWrong = false }) {
  const [typed, set] = useState(/** @type {string | null} */ (null));
  return html`<div class="field"><label for=${id}>${name}</label><input id=${id} list=${list && `${id}-list`} autocomplete="off" value=${typed ?? value} aria-invalid=${problems.length > 0 ? 'true' : undefined} aria-describedby=${`${id}-about`} onInput=${(/** @type {any} */ e) => { set(e.target.value); change(e.target.value); }} onBlur=${() => isWrong || set(null)} />
    ${list && html`<datalist id=${`${id}-list`}>${list.map(o => html`<option key=${o.name} value=${o.name}>${o.summary}</option>`)}</datalist>`}<${Notes} id=${`${id}-about`} problems=${problems} about=${about} /></div>`;
}

// As many parameters of a stage are shown at once.
const first = 4;

/** @param {{ stage: Step, at: number, of: number, manifest: StageManifest | undefined, problems: Problem[], change: (p: Record<string, unknown>) => void, move: (by: number) => void, remove: () => void }} props */
function Stage({ stage, at, of, manifest, problems, change, move, remove }) {
  const id = useId();
  const schema = manifest?.parametersSchema;
  const properties = Object.entries(schema?.properties ?? {}).filter(([, s]) => !s['x-lathe-model']);
  // What must be given, what is given when the card comes, and what its author names first stands open. A field stays where it is while one types.
  const [given] = useState(() => [...schema?.required ?? [], ...Object.keys(stage.parameters)]);
  const open = new Set([...given, ...properties.slice(0, first).map(([name]) => name)]);
  const shown = properties.filter(([name]) => open.has(name));
  const rest = properties.filter(([name]) => !open.has(name));
  const [isOpen, setOpen] = useState(false);
  const faults = (/** @type {string} */ name) => problems.filter(p => p.path.split('/').includes(name));
  const isHidden = !isOpen && rest.some(([name]) => faults(name).length > 0);
  useLayoutEffect(() => {
    if (isHidden) setOpen(true);
  }, [isHidden]);
  const general = problems.filter(p => !properties.some(([name]) => p.path.split('/').includes(name)));
  const hidden = rest.filter(([name]) => name in stage.parameters).length;
  const field = (/** @type {[string, Schema]} */ [name, one]) => html`<${Parameter} key=${name} id=${`${id}-${name}`} name=${name} schema=${one} value=${stage.parameters[name]} problems=${faults(name).map(p => p.message)} change=${(/** @type {unknown} */ v) => {
    const next = { ...stage.parameters };
    if (v === undefined) delete next[name];
    else next[name] = v;
    change(next);
  }} />`;
  return html`<section class="card stage" aria-labelledby=${id}><div class="row apart"><h3 id=${id} tabindex="-1">${at + 1}. ${capital(stage.stage)}</h3><div class="row"><button type="button" class="small up" disabled=${at === 0} aria-label=${`Move ${stage.stage} up`} onClick=${() => move(-1)}>↑</button><button type="button" class="small down" disabled=${at === of - 1} aria-label=${`Move ${stage.stage} down`} onClick=${() => move(1)}>↓</button><button type="button" class="small bad remove" aria-label=${`Remove ${stage.stage}`} onClick=${remove}>Remove</button></div></div>
    <p class="soft">${manifest?.summary ?? 'No worker of this stage is up, so its parameters are not known here.'}</p>${general.map((p, i) => html`<p class="failed" key=${i}>${p.message}</p>`)}
    ${shown.length > 0 && html`<div class="fields">${shown.map(field)}</div>`}${rest.length > 0 && html`<details open=${isOpen} onToggle=${(/** @type {any} */ e) => setOpen(e.target.open)}><summary>${counted(rest.length, 'more parameter')}${hidden > 0 && !isOpen ? `, ${hidden} of them given` : ''}</summary><div class="fields">${rest.map(field)}</div></details>`}</section>`;
}

/** @param {string} text */
const split = text => text.split(',').map(t => t.trim()).filter(t => t);

// The tree of a sweep: a column for each stage that makes a checkpoint, shared beginnings once, and figures of what only measures in the box that it measures.

import { html, useEffect, useMemo, useState } from '../vendor/preact.js';
import { capital, clock, counted, figure, head, label } from '../format.js';
import { level as atOnce, paths } from '../ahead.js';
import { progressOf, useFollowed, usePolled } from '../live.js';
import { to } from '../route.js';
import { Loading, Progress, State, StateBar, StateCounts, restOf, states } from '../ui.js';

/** @import { ExecutionStatus, MetricDescriptor, StageManifest, SweepStatus, TreePage } from '../types' */

/** @typedef {{ execution: ExecutionStatus, children: Node[], more: number }} Node more: children that are not loaded */
/** @typedef {{ measures: Set<string>, goals: Map<string, MetricDescriptor>, columns: string[], id: string, isMany: boolean }} Scene */

/** @param {{ sweep: SweepStatus, isWhole: boolean, isLarge: boolean }} props isWhole: the status has every execution; isLarge: it never will */
export function Flow({ sweep, isWhole, isLarge }) {
  const { data } = usePolled(paths.stages, 0);
  const manifests = /** @type {StageManifest[] | undefined} */ (data);
  const measures = new Set((manifests ?? []).filter(m => m.output === 'metrics').map(m => m.name));
  // The metric by which people judge first.
  const goals = new Map((manifests ?? []).flatMap(m => {
    const goal = [...m.metrics ?? []].sort((a, b) => a.rank - b.rank).find(one => one.better === 'higher' && one.isColumn);
    return goal ? [[m.name, goal]] : [];
  }));
  const making = sweep.steps.filter(step => !measures.has(step.stage));
  /** @type {Scene} */
  const scene = { measures, goals, columns: making.map(s => s.stage), id: sweep.id, isMany: new Set(sweep.executions.filter(e => e.parent == null).map(e => `${e.model} ${e.dataset} ${e.seed}`)).size > 1 };
  // A stage that measures stands under the stage before it.
  let column = -1;
  const under = new Map(making.map((_, i) => [i, /** @type {typeof sweep.steps} */ ([])]));
  for (const step of sweep.steps) {
    if (measures.has(step.stage)) under.get(Math.max(0, column))?.push(step);
    else column++;
  }

  return html`<section aria-labelledby="flow"><h2 id="flow">Flow</h2>
    <ul class="legend" aria-label="States">${states.filter(s => sweep.steps.some(step => step.counts[s])).map(s => html`<li key=${s}><${State} state=${s} /></li>`)}</ul>
    <div class="flow" style=${{ '--steps': Math.max(1, making.length) }} tabindex="0" role="region" aria-label="Flow of the sweep">
      <div class="columns">${making.map((step, i) => html`<div key=${step.step}><h3>${capital(step.stage)}</h3><${StateBar} counts=${step.counts} label=${step.stage} /><${StateCounts} counts=${step.counts} />
        ${under.get(i)?.map(m => html`<div key=${m.step}><small>${m.stage}</small><${StateBar} counts=${m.counts} label=${m.stage} /></div>`)}</div>`)}</div>
      ${isWhole ? html`<${Whole} sweep=${sweep} scene=${scene} />` : isLarge ? html`<${Large} scene=${scene} />` : html`<${Loading} />`}</div></section>`;
}

/** @param {{ sweep: SweepStatus, scene: Scene }} props a sweep of which every execution is here */
function Whole({ sweep, scene }) {
  const roots = useMemo(() => {
    const nodes = new Map(sweep.executions.map(e => [e.index, /** @type {Node} */ ({ execution: e, children: [], more: 0 })]));
    /** @type {Node[]} */
    const top = [];
    for (const node of nodes.values()) (node.execution.parent == null ? top : nodes.get(node.execution.parent)?.children ?? top).push(node);
    return top;
  }, [sweep.executions]);
  return html`<ul class="tree">${roots.map(node => html`<li key=${node.execution.index}><${Branch} node=${node} scene=${scene} /></li>`)}</ul>`;
}

/** @param {{ node: Node, scene: Scene }} props */
function Branch({ node, scene }) {
  const [shown, show] = useState(atOnce);
  const measured = node.children.filter(c => scene.measures.has(c.execution.stage));
  const next = node.children.filter(c => !scene.measures.has(c.execution.stage));
  return html`<div class="branch"><div class="cell"><${Box} execution=${node.execution} measured=${measured.map(m => m.execution)} scene=${scene} /></div>
    ${next.length > 0 && html`<ul class="below">${next.slice(0, shown).map(c => html`<li key=${c.execution.index}><${Branch} node=${c} scene=${scene} /></li>`)}
      ${next.length > shown && html`<li><button type="button" class="small" onClick=${() => show(shown + atOnce)}>Show more of ${next.length}</button></li>`}</ul>`}</div>`;
}

/**
 * One level of a large tree, read when it is opened and a page at a time.
 * @param {Scene} scene
 * @param {number | null} parent null: the first level
 * @param {boolean} isOpen
 * @returns {{ page: TreePage | undefined, words: string, more: () => void }}
 */
function useLevel(scene, parent, isOpen) {
  const [limit, setLimit] = useState(atOnce);
  const { data, fault } = useFollowed(isOpen ? paths.tree(scene.id, parent, limit) : null, scene.id, 3000, 2000);
  // A longer page replaces the one that is shown when it is there.
  const [last, keep] = useState(/** @type {TreePage | undefined} */ (undefined));
  useEffect(() => {
    if (data) keep(/** @type {TreePage} */ (data));
  }, [data]);
  const page = /** @type {TreePage | undefined} */ (data) ?? last;
  return { page, words: fault && fault.status !== 0 ? fault.message : page ? '' : 'Loading …', more: () => setLimit(Math.min(1000, limit * 2)) };
}

/** @param {{ scene: Scene }} props */
function Large({ scene }) {
  const level = useLevel(scene, null, true);
  return html`<${Level} scene=${scene} level=${level} className="tree" depth=${0} />`;
}

/** @param {{ scene: Scene, level: ReturnType<typeof useLevel>, className: string, depth: number }} props */
function Level({ scene, level, className, depth }) {
  if (!level.page) return html`<p class="soft">${level.words}</p>`;
  const nodes = level.page.nodes.filter(n => !scene.measures.has(n.execution.stage));
  if (nodes.length === 0) return null;
  return html`<ul class=${className}>${nodes.map((n, i) => html`<li key=${n.execution.index}><${LargeBranch} execution=${n.execution} children=${n.children} scene=${scene} depth=${depth} isFirst=${i === 0 && depth < 2} /></li>`)}
    ${level.page.next != null && html`<li><button type="button" class="small" onClick=${level.more}>Show more</button></li>`}</ul>`;
}

/** @param {{ execution: ExecutionStatus, children: number, scene: Scene, depth: number, isFirst: boolean }} props */
function LargeBranch({ execution, children, scene, depth, isFirst }) {
  const [isOpen, open] = useState(isFirst);
  const level = useLevel(scene, execution.index, isOpen && children > 0);
  const measured = (level.page?.nodes ?? []).filter(n => scene.measures.has(n.execution.stage)).map(n => n.execution);
  return html`<div class="branch"><div class="cell"><${Box} execution=${execution} measured=${isOpen ? measured : []} scene=${scene} />
    ${children > 0 && html`<button type="button" class="small quiet" aria-expanded=${isOpen} onClick=${() => open(!isOpen)}>${isOpen ? '▾' : '▸'} ${counted(children, 'branch', 'branches')}</button>`}</div>
    ${isOpen && children > 0 && html`<${Level} scene=${scene} level=${level} className="below" depth=${depth + 1} />`}</div>`;
}

/** @param {{ execution: ExecutionStatus, measured: ExecutionStatus[], scene: Scene }} props */
function Box({ execution, measured, scene }) {
  const progress = progressOf(scene.id, execution);
  const rest = restOf({ ...execution, progress });
  const name = label(execution);
  const branch = scene.isMany && execution.parent == null ? `${execution.model} ${execution.dataset} seed=${execution.seed}` : '';
  return html`<div class="box s-${execution.state}">
    <div class="row"><a href=${to(['sweeps', scene.id, 'executions', execution.index])}><b>${branch || name}</b></a><${State} state=${execution.state} hasWord=${false} /></div>
    ${branch && html`<small>${name}</small>`}
    ${rest ? html`<small>${rest}</small>` : execution.state === 'running' && progress && html`<${Progress} value=${progress.epoch ?? 0} all=${progress.epochs ?? 1} label=${`${name}: ${progress.phase}`} />
      <small>${progress.phase}${progress.epochs ? ` ${(progress.epoch ?? 0).toFixed(1)}/${progress.epochs}` : ''}${progress.secondsLeft != null ? `, ${clock(progress.secondsLeft)} left` : ''}</small>`}
    ${execution.state === 'failed' && execution.error && html`<small>${execution.error.slice(0, 140)}</small>`}
    ${measured.map(m => {
      const goal = scene.goals.get(m.stage);
      const value = goal && m.metrics[goal.name];
      return html`<div class="row measured" key=${m.index}><a href=${to(['sweeps', scene.id, 'executions', m.index])}><small>${label(m)}</small></a>
        <span class="row">${goal && value != null && html`<span>${figure(value, goal.format)} <small>${head(goal)}</small></span>`}<${State} state=${m.state} hasWord=${false} /></span></div>`;
    })}</div>`;
}

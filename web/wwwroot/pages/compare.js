// Two to six results side by side.

import { html, useState } from '../vendor/preact.js';
import { figure, head, number, parameter } from '../format.js';
import { usePolled } from '../live.js';
import { setQuery, to } from '../route.js';
import { Crumbs, FaultNote, Fold, Loading, useTitle } from '../ui.js';
import { Chart, axis, dashes, legend, tooltip } from '../charts/chart.js';
import { PanelView } from '../charts/panel.js';

/** @import { Comparison, MetricDescriptor } from '../types' */

const most = 6;

/** @param {{ query: URLSearchParams }} props */
export default function Compare({ query }) {
  useTitle('Compare');
  const references = (query.get('executions') ?? '').split(',').filter(r => r);
  const isEnough = references.length >= 2 && references.length <= most;
  const { data, fault } = usePolled(isEnough ? `/compare?executions=${references.map(encodeURIComponent).join(',')}` : null, 0);
  const compared = /** @type {Comparison | undefined} */ (data);
  const change = (/** @type {string[]} */ next) => setQuery({ executions: next.join(',') });

  return html`<${Crumbs} items=${[{ title: 'Sweeps', href: to([]) }, { title: 'Compare' }]} /><h1>Compare</h1>
    <${Add} references=${references} change=${change} />
    ${!isEnough && html`<div class="empty"><p>${references.length > most ? `At most ${most} results can be compared.` : references.length === 1 ? 'One result is chosen; add another one.' : 'Choose two to six results in the table of a sweep, then "Compare".'}</p>
      <p><a class="button" href=${to([])}>To the sweeps</a></p></div>`}
    <${FaultNote} fault=${fault} />
    ${isEnough && !compared && (!fault || fault.status === 0) && html`<${Loading} what="Comparing" />`}
    ${compared && html`<${Side} of=${compared} remove=${(/** @type {number} */ i) => change(references.filter((_, k) => k !== i))} />`}`;
}

/** @param {{ references: string[], change: (r: string[]) => void }} props */
function Add({ references, change }) {
  const [text, set] = useState('');
  const add = (/** @type {Event} */ e) => {
    e.preventDefault();
    const found = text.trim();
    if (found && !references.includes(found)) change([...references, found]);
    set('');
  };
  return html`<form class="row filters" onSubmit=${add}><label for="reference">Add a result</label><input id="reference" class="grow" placeholder="a sweep's id, a colon and a number, or an execution's key" value=${text} onInput=${(/** @type {any} */ e) => set(e.target.value)} /><button disabled=${references.length >= most}>Add</button></form>`;
}

/** @param {{ of: Comparison, remove: (i: number) => void }} props */
function Side({ of, remove }) {
  const { executions } = of;
  const sweeps = new Set(executions.map(e => e.sweep.id)).size;
  const models = new Set(executions.map(e => e.model)).size;
  // What all have in common on their way says nothing here.
  const names = executions.map((e, i) => {
    const own = e.way.map(s => {
      const others = executions.map(o => o.way.find(w => w.stage === s.stage));
      const differs = Object.entries(s.parameters).filter(([name, value]) => value !== e.model && others.some(o => o && JSON.stringify(o.parameters[name]) !== JSON.stringify(value)));
      // A stage that not all have names itself, with what distinguishes it in its sweep.
      const named = new Map([...differs, ...others.some(o => !o) ? s.varied.map(name => /** @type {[string, unknown]} */ ([name, s.parameters[name]])) : []]);
      return named.size ? `${s.stage} ${[...named].map(([n, v]) => `${n}=${parameter(v)}`).join(' ')}` : others.some(o => !o) ? s.stage : '';
    }).filter(t => t).join(' > ');
    return `${i + 1}: ${[models > 1 && e.model, own || 'dense', sweeps > 1 && `(${e.sweep.name})`].filter(t => t).join(' ')}`;
  });
  const stages = [...new Set(of.panels.map(p => p.stage))];
  const metrics = of.metrics.filter(m => executions.some(e => e.figures[m.name] != null));
  const shown = metrics.filter(m => m.isColumn);
  const others = metrics.filter(m => !m.isColumn);
  return html`<section aria-labelledby="figures"><h2 id="figures">Figures</h2><div class="wide" tabindex="0" role="region" aria-label="Table of figures"><table class="full heads figures"><thead><tr><th scope="col" class="text">figure</th>${executions.map((e, i) =>
        html`<th key=${e.reference} scope="col"><a href=${to(['sweeps', e.sweep.id, 'executions', e.index])}>${names[i]}</a> <button type="button" class="small" aria-label=${`Remove ${names[i]}`} onClick=${() => remove(i)}>✕</button></th>`)}</tr></thead>
      <tbody>${shown.map(m => html`<${FigureRow} key=${m.name} metric=${m} values=${executions.map(e => e.figures[m.name] ?? (m.format === 'bits' && metrics.some(o => o.format === 'bytes' && e.figures[o.name] != null) ? 0 : undefined))} />`)}</tbody></table></div>
      ${others.length > 0 && html`<details><summary>${others.length} more figures</summary><div class="wide" tabindex="0" role="region" aria-label="Table of more figures"><table class="full figures"><tbody>${others.map(m => html`<${FigureRow} key=${m.name} metric=${m} values=${executions.map(e => e.figures[m.name] ?? (m.format === 'bits' && metrics.some(o => o.format === 'bytes' && e.figures[o.name] != null) ? 0 : undefined))} />`)}</tbody></table></div></details>`}
      <p class="soft">Below a figure: its difference to the first result. The best of a row is bold.</p></section>
    ${of.notes.map((n, i) => html`<p class="soft" key=${i}>${n}</p>`)}
    ${of.layers.length > 0 && html`<section aria-labelledby="widths"><h2 id="widths">Width of each layer</h2><${Widths} of=${of} names=${names} /></section>`}
    ${of.layers.some(l => l.most) && html`<section aria-labelledby="weights"><h2 id="weights">Weights</h2><${Histograms} of=${of} names=${names} /></section>`}
    ${stages.map(stage => {
      const own = of.panels.filter(p => p.stage === stage);
      const isDetail = (/** @type {typeof own[number]} */ p) => p.panels.find(one => one)?.isDetail === true;
      const details = own.filter(isDetail);
      return html`<section key=${stage} aria-label=${`Panels of ${stage}`}><${Fold} title=${html`<b>Panels of ${stage}</b>`} isOpen=${stage === executions[0]?.way.at(-1)?.stage}>
        ${own.filter(p => !isDetail(p)).map(p => html`<${PanelRow} key=${p.id} of=${p} names=${names} />`)}
        ${details.length > 0 && html`<${Fold} title=${`Details: ${details.map(p => p.title).join(', ').slice(0, 200)}`}>${details.map(p => html`<${PanelRow} key=${p.id} of=${p} names=${names} />`)}</${Fold}>`}</${Fold}></section>`;
    })}`;
}

/** @param {{ of: Comparison['panels'][number], names: string[] }} props one panel of each result */
const PanelRow = ({ of, names }) => html`<h3 class="row-title">${of.title}</h3>${isSame(of.panels) ? html`<p class="soft">The same for all.</p><div class="cards"><${PanelView} panel=${of.panels[0]} /></div>`
  : html`<div class="cards">${of.panels.map((panel, i) => panel && html`<div key=${i}><p class="soft">${names[i]}</p><${PanelView} panel=${panel} of=${names[i]} /></div>`)}</div>`}`;

/** What they have in common on their way shows the same. @param {unknown[]} panels */
const isSame = panels => panels[0] != null && panels.every(p => JSON.stringify(p) === JSON.stringify(panels[0]));

/** @param {{ metric: MetricDescriptor, values: (number | undefined)[] }} props */
function FigureRow({ metric, values }) {
  const known = values.filter(v => v != null);
  const best = metric.better === 'higher' ? Math.max(...known) : metric.better === 'lower' ? Math.min(...known) : NaN;
  const first = values[0];
  return html`<tr><th scope="row" class="text" title=${metric.description}>${head(metric)}${metric.description && metric.description !== metric.title ? html` <small>${metric.description}</small>` : ''}</th>${values.map((v, i) => html`<td key=${i}>${v === best && known.length > 1 && new Set(known).size > 1 ? html`<b>${figure(v, metric.format)}</b>` : figure(v, metric.format)}
    ${i > 0 && v != null && first != null && v !== first && html`<small>${difference(v, first, metric)}</small>`}</td>`)}</tr>`;
}

/**
 * @param {number} value
 * @param {number} first
 * @param {MetricDescriptor} metric
 */
const difference = (value, first, metric) => metric.format === 'percent' ? `${value > first ? '+' : ''}${((value - first) * 100).toFixed(2)}` : first > 0 && value > 0 ? `× ${Number((value / first).toPrecision(3))}` : '';

/** Pixels of a legend with a line for each of many names. @param {string[]} names */
const legendHeight = names => names.length > 3 ? 18 * names.length + 8 : 30;

/** @param {{ of: Comparison, names: string[] }} props */
const Widths = ({ of, names }) => html`<figure><${Chart} of=${[of]} height=${Math.max(180, 60 + of.layers.length * (8 + 9 * names.length)) + legendHeight(names)} label=${`Channels of each layer: ${of.layers.slice(0, 40).map(w => `${w.name} ${w.channels.map(c => c ?? 'none').join(', ')}`).join('; ')}`}
  option=${(/** @type {any} */ c) => ({
    grid: { left: 8, right: 40, top: 8, bottom: 40 + legendHeight(names), containLabel: true }, legend: { ...legend(c), ...names.length > 3 ? { orient: 'vertical', type: 'plain', itemGap: 4, itemHeight: 12 } : {} }, tooltip: tooltip(c, { trigger: 'axis', axisPointer: { type: 'shadow' } }),
    xAxis: axis(c, 'channels', { isX: true, fromZero: true }), yAxis: axis(c, '', { type: 'category', more: { data: of.layers.map(w => w.name), inverse: true, axisLabel: { color: c.ink, fontSize: 11, interval: 0, width: 140, overflow: 'truncate' } } }),
    series: names.map((name, i) => ({ type: 'bar', name, data: of.layers.map(w => w.channels[i] ?? 0), color: c.series[i % 8], emphasis: { disabled: true } })),
  })} /></figure>`;

/** @param {{ of: Comparison, names: string[] }} props */
function Histograms({ of, names }) {
  const layers = of.layers.filter(l => l.most);
  const [layer, set] = useState(layers[0]?.name ?? '');
  const shown = layers.find(l => l.name === layer) ?? layers[0];
  if (!shown?.most) return null;
  const { most, counts } = shown;
  return html`<p><label class="check">Layer <select value=${shown.name} onChange=${(/** @type {any} */ e) => set(e.target.value)}>${layers.map(l => html`<option key=${l.name} value=${l.name}>${l.name}</option>`)}</select></label></p>
    <figure><${Chart} of=${[shown]} height=${340} label=${`Distribution of the weights of ${shown.name} in ${names.join(', ')}, from ${number(-most)} to ${number(most)}`}
    option=${(/** @type {any} */ c) => ({
      grid: { left: 8, right: 16, top: 30, bottom: 70, containLabel: true }, legend: legend(c), tooltip: tooltip(c, { trigger: 'axis', valueFormatter: number }), xAxis: axis(c, 'weight', { isX: true, more: { min: -most, max: most } }), yAxis: axis(c, 'share of weights, %', { fromZero: true }),
      series: names.map((name, i) => {
        const own = counts[i] ?? [];
        const all = own.reduce((a, b) => a + b, 0) || 1;
        const width = 2 * most / Math.max(1, own.length);
        return { type: 'line', name, step: 'middle', showSymbol: false, color: c.series[i % 8], lineStyle: { width: 1.4, type: dashes[i % 8] }, areaStyle: { opacity: 0.08 }, emphasis: { disabled: true }, data: own.map((n, k) => [(k + 0.5) * width - most, 100 * n / all]) };
      }),
    })} /></figure>`;
}

// Live curves of what runs.

import { html, useEffect, useState } from '../vendor/preact.js';
import { get } from '../api.js';
import { label, number } from '../format.js';
import { progressOf } from '../live.js';
import { to } from '../route.js';
import { Chart, axis, dashes, legend, room, tooltip } from '../charts/chart.js';

/** @import { Curves as Answer, EpochPoint, ExecutionStatus, SweepStatus } from '../types' */

const most = 8;

/** @param {{ sweep: SweepStatus }} props */
export function Curves({ sweep }) {
  const running = sweep.executions.map(e => ({ ...e, progress: progressOf(sweep.id, e) })).filter(e => e.state === 'running' && e.progress?.epochs).slice(0, most);
  const [curves, set] = useState(/** @type {ReadonlyMap<number, EpochPoint[]>} */ (new Map()));
  // A curve is read again when another epoch of it has ended.
  const wanted = running.map(e => `${e.index}:${Math.floor(e.progress?.epoch ?? 0)}`).join(' ');
  useEffect(() => {
    const stop = new AbortController();
    if (wanted) {
      get(`/sweeps/${sweep.id}/curves?executions=${running.map(e => e.index).join(',')}`, stop.signal).then(
        (/** @type {Answer} */ answer) => set(new Map(answer.curves.map(c => [c.index, c.epochs]))),
        // The coordinator is away, or they have ended: the next epoch asks again.
        () => {});
    }
    return () => stop.abort();
  }, [sweep.id, wanted]);
  const shown = running.filter(e => (curves.get(e.index)?.length ?? 0) > 0);
  if (running.length === 0) return null;
  return html`<section aria-labelledby="running"><h2 id="running">Running now</h2>
    ${shown.length === 0 ? html`<p class="soft">Curves appear when the first epoch has ended.</p>` : html`<div class="two">
      <${CurveChart} title="Training loss" name="loss" curves=${curves} executions=${shown} factor=${1} />
      <${CurveChart} title="Training accuracy, %" name="accuracy" curves=${curves} executions=${shown} factor=${100} /></div>`}
    <p class="soft">${running.map((e, i) => html`${i > 0 && ' · '}<a key=${e.index} href=${to(['sweeps', sweep.id, 'executions', e.index])}>${label(e)}</a>${e.worker ? ` on ${e.worker}` : ''}`)}</p></section>`;
}

/**
 * Figures of each epoch.
 * @param {{ title: string, name: 'loss' | 'accuracy', factor: number, curves: ReadonlyMap<number, EpochPoint[]>, executions: ExecutionStatus[] }} props
 */
export function CurveChart({ title, name, factor, curves, executions }) {
  const names = executions.map(e => executions.filter(o => label(o) === label(e)).length > 1 ? `${label(e)} (${e.index})` : label(e));
  const epochs = Math.max(2, ...executions.map(e => Math.max(e.progress?.epochs ?? 0, curves.get(e.index)?.at(-1)?.epoch ?? 0)));
  const last = executions.map((e, i) => `${names[i]} ${number((curves.get(e.index)?.at(-1)?.[name] ?? NaN) * factor)}`).join(', ');
  return html`<figure><h3>${title}</h3><${Chart} of=${[curves, name, executions.length]} height=${260} label=${`${title} by epoch: ${last}`}
    option=${(/** @type {any} */ c) => ({
      grid: { left: 8, right: 14, top: 12, bottom: executions.length > 1 ? 62 : 34, containLabel: true },
      xAxis: axis(c, 'epoch', { isX: true, more: { minInterval: 1, min: 1, max: epochs } }), yAxis: axis(c, '', { more: name === 'accuracy' ? room(executions.flatMap(e => (curves.get(e.index) ?? []).map(p => p[name] * factor)), true) : {} }), tooltip: tooltip(c, { trigger: 'axis', valueFormatter: number }), legend: executions.length > 1 ? legend(c) : undefined,
      series: executions.map((e, i) => ({
        type: 'line', name: names[i], color: c.series[(i + 1) % 8], lineStyle: { width: 1.8, type: dashes[i % 8] }, emphasis: { disabled: true }, symbolSize: 5,
        showSymbol: (curves.get(e.index)?.length ?? 0) < 30, data: (curves.get(e.index) ?? []).map(p => [p.epoch, p[name] * factor]),
      })),
    })} /></figure>`;
}

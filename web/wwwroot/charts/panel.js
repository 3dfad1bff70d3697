// Panels of stages: what a stage shows of its result, as charts and tables. Nothing here knows a stage.

import { html } from '../vendor/preact.js';
import { figure, number } from '../format.js';
import { Fold } from '../ui.js';
import { Chart, axis, dashes, legend, marks, room, roomLog, symbols, tooltip } from './chart.js';

/** @import { BarPanel, HeatPanel, LinePanel, Panel, RidgePanel, ScatterPanel, TablePanel } from '../types' */

/**
 * A panel with its title and its words.
 * @param {{ panel: Panel, of?: string }} props of: whose it is, where there are several of its kind
 */
export function PanelView({ panel, of = '' }) {
  const Body = /** @type {any} */ (kinds)[panel.kind];
  // Kinds that this page does not know are left out.
  if (!Body) return null;
  return html`<figure class=${panel.kind === 'table' ? 'table' : ''}><h3>${panel.title}</h3><${Body} panel=${panel} of=${of} />${panel.caption && html`<figcaption>${panel.caption}</figcaption>`}</figure>`;
}

/**
 * Panels under the headings that they name; those of secondary interest are folded.
 * @param {{ panels: Panel[], stage: string }} props
 */
export function Panels({ panels, stage }) {
  const sections = new Map(/** @type {[string, Panel[]][]} */ ([]));
  for (const panel of panels) {
    const title = panel.section || stage;
    sections.set(title, [...sections.get(title) ?? [], panel]);
  }
  return [...sections].map(([title, own]) => {
    const details = own.filter(p => p.isDetail);
    return html`<section key=${title}><h2>${title}</h2><div class="cards">${own.filter(p => !p.isDetail).map(p => html`<${PanelView} key=${p.id} panel=${p} />`)}</div>
      ${details.length > 0 && html`<${Fold} title=${`Details: ${details.map(p => p.title).join(', ').slice(0, 200)}`}><div class="cards">${details.map(p => html`<${PanelView} key=${p.id} panel=${p} />`)}</div></${Fold}>`}</section>`;
  });
}

/** @param {{ panel: LinePanel }} props */
function Lines({ panel }) {
  const groups = [...new Set(panel.lines.map((line, i) => line.group ?? i))];
  const isMany = panel.lines.filter(l => l.name).length > 1;
  return html`<${Chart} of=${[panel]} height=${isMany ? 330 : 290} label=${`${panel.title}: ${panel.y.title} against ${panel.x.title}, ${panel.lines.map(l => `${l.name} ends at ${number(l.y.findLast(v => v != null))}`).slice(0, 8).join(', ')}`}
    option=${(/** @type {any} */ c) => ({
      grid: { left: 8, right: 18, top: 34, bottom: isMany ? 66 : 34, containLabel: true },
      xAxis: axis(c, panel.x.title, { isX: true, isLog: panel.x.scale === 'logarithmic', fromZero: panel.x.fromZero, more: { min: 'dataMin', max: 'dataMax', ...panel.lines.every(l => l.x.every(Number.isInteger)) ? { minInterval: 1 } : {} } }),
      yAxis: axis(c, panel.y.title, { isLog: panel.y.scale === 'logarithmic', fromZero: panel.y.fromZero }),
      tooltip: tooltip(c, { trigger: 'axis', valueFormatter: number }),
      legend: isMany ? { ...legend(c), data: panel.lines.filter(l => l.name).map(l => l.name) } : undefined,
      series: panel.lines.map((line, i) => {
        const n = groups.indexOf(line.group ?? i) % 8;
        return {
          type: 'line', name: line.name || panel.title, showSymbol: line.x.length === 1, data: line.x.map((x, k) => [x, line.y[k] ?? null]),
          color: c.series[n], lineStyle: line.isTarget ? { width: 1, type: [3, 3], opacity: 0.75 } : { width: 1.8, type: dashes[n] }, emphasis: { disabled: true },
          markLine: i === 0 && panel.mark ? { symbol: 'none', silent: true, lineStyle: { color: c.soft, type: [2, 3] }, label: { formatter: panel.mark.text, color: c.soft, fontSize: 11, position: 'insideEndTop' }, data: [{ xAxis: panel.mark.x }] } : undefined,
        };
      }),
    })} />`;
}

/** @param {{ panel: ScatterPanel }} props */
function Scatter({ panel }) {
  const groups = panel.groups?.length ? panel.groups : [''];
  const best = panel.points.filter(p => p.onFront).sort((a, b) => a.x - b.x);
  return html`<${Chart} of=${[panel]} height=${340} label=${`${panel.title}: ${panel.points.length} points, ${panel.y.title} against ${panel.x.title}. ${best.length ? `On the front: ${best.map(p => p.name).slice(0, 6).join(', ')}` : ''}`}
    option=${(/** @type {any} */ c) => ({
      grid: { left: 8, right: 24, top: 38, bottom: 66, containLabel: true },
      xAxis: axis(c, panel.x.title, { isX: true, isLog: panel.x.scale === 'logarithmic', more: panel.x.scale === 'logarithmic' ? roomLog : room(panel.points.map(p => p.x), panel.x.title.includes('%')) }), yAxis: axis(c, panel.y.title, { isLog: panel.y.scale === 'logarithmic', more: panel.y.scale === 'logarithmic' ? {} : room(panel.points.map(p => p.y), panel.y.title.includes('%')) }),
      tooltip: tooltip(c, { formatter: (/** @type {any} */ p) => p.data?.name ? `${p.data.name}\n${panel.x.title}: ${number(p.value[0])}\n${panel.y.title}: ${number(p.value[1])}` : '' }), legend: marks(c),
      series: [
        ...groups.map((name, n) => ({
          type: 'scatter', name, symbol: symbols[n % 8], symbolSize: 11,
          data: panel.points.filter(p => (p.group ?? 0) === n).map(p => ({ value: [p.x, p.y], name: p.name, itemStyle: p.onFront ? { borderColor: c.ink, borderWidth: 1.5, opacity: 1 } : { opacity: 0.6 } })), color: c.series[n % 8],
        })),
        ...best.length > 1 ? [{ type: 'line', name: panel.frontName || 'front', step: 'end', data: best.map(p => [p.x, p.y]), showSymbol: false, color: c.soft, lineStyle: { width: 1.3, type: [4, 2] }, silent: true }] : [],
      ],
    })} />`;
}

/** @param {{ panel: BarPanel }} props */
function Bars({ panel }) {
  const rows = panel.categories.length;
  const groups = [...new Set(panel.series.map((s, i) => s.group ?? i))];
  // Parts of one colour are one line of the legend, and what is nowhere is none.
  const named = groups.map(g => panel.series.filter((s, i) => (s.group ?? i) === g && (!panel.isStacked || s.values.some(v => v !== 0))).map(s => s.name)).filter(names => names.length > 0);
  const words = new Map(named.map(names => [names[0], panel.isStacked && names.length > 1 ? `${names[0]} to ${names.at(-1)}` : names[0]]));
  return html`<${Chart} of=${[panel]} height=${Math.max(160, 70 + rows * (rows > 40 ? 14 : 20))} label=${`${panel.title}, ${panel.unit}: ${panel.categories.slice(0, 30).map((name, i) => `${name} ${panel.labels?.[i] ?? panel.series.map(s => number(s.values[i])).join(' of ')}`).join(', ')}`}
    option=${(/** @type {any} */ c) => ({
      grid: { left: 8, right: 70, top: 8, bottom: panel.series.length > 1 ? 60 : 34, containLabel: true },
      xAxis: axis(c, panel.unit, { isX: true, fromZero: true, more: panel.isStacked ? { max: 'dataMax' } : {} }), yAxis: axis(c, '', { type: 'category', more: { data: panel.categories, inverse: true, axisLabel: { color: c.ink, fontSize: 11, width: 150, overflow: 'truncate', interval: 0 } } }),
      tooltip: tooltip(c, { trigger: 'axis', axisPointer: { type: 'shadow' }, valueFormatter: number }), legend: panel.series.length > 1 ? panel.isStacked ? { ...legend(c), selectedMode: false, data: [...words.keys()], formatter: (/** @type {string} */ name) => words.get(name) ?? name } : legend(c) : undefined,
      series: panel.series.map((s, i) => {
        const n = groups.indexOf(s.group ?? i) % 8;
        const isOutline = !panel.isStacked && panel.series.length > 1 && i === 0;
        return {
          type: 'bar', name: s.name, data: s.values, stack: panel.isStacked ? 'all' : undefined, barGap: '-100%', barCategoryGap: '25%', z: i + 2, emphasis: { disabled: true },
          color: panel.isStacked ? (n === 0 ? c.grid : c.series[n]) : isOutline ? c.soft : c.series[1], itemStyle: isOutline ? { color: 'transparent', borderColor: c.soft, borderWidth: 0.8 } : { opacity: panel.isStacked ? 1 : 0.8 },
          label: i === panel.series.length - (panel.isStacked ? 0 : 1) || (!panel.isStacked && i === 0) ? { show: i === 0 || panel.series.length === 1, position: 'right', color: c.soft, fontSize: 10, formatter: (/** @type {any} */ p) => panel.labels?.[p.dataIndex] ?? panel.series.map(one => number(one.values[p.dataIndex])).join(' → ') } : undefined,
        };
      }),
    })} />`;
}

/** @param {{ panel: RidgePanel }} props */
function Ridges({ panel }) {
  const rows = panel.ridges.length;
  const each = rows > 12 ? 34 : 52;
  return html`<${Chart} of=${[panel]} height=${rows * each + 70} label=${`${panel.title}: ${rows} distributions of ${panel.about} from ${number(panel.least)} to ${number(panel.most)}: ${panel.ridges.map(r => r.name).slice(0, 20).join(', ')}`}
    option=${(/** @type {any} */ c) => ({
      grid: panel.ridges.map((_, i) => ({ left: 92, right: 14, top: 18 + i * each, height: each - 6 })),
      tooltip: tooltip(c, { trigger: 'axis', valueFormatter: number }),
      xAxis: panel.ridges.map((_, i) => ({
        ...axis(c, i === rows - 1 ? panel.about : '', { isX: true }), gridIndex: i, min: panel.least, max: panel.most, splitLine: { show: false }, axisLabel: { show: i === rows - 1, color: c.soft, fontSize: 11, hideOverlap: true },
      })),
      yAxis: panel.ridges.map((ridge, i) => ({ ...axis(c, ridge.name, { fromZero: true }), gridIndex: i, nameLocation: 'middle', nameRotate: 0, nameGap: 6, nameTextStyle: { color: c.ink, fontSize: 11, align: 'right', width: 80, overflow: 'truncate' }, axisLabel: { show: false }, splitLine: { show: false } })),
      series: panel.ridges.map((ridge, i) => {
        const width = (panel.most - panel.least) / Math.max(1, ridge.counts.length);
        return {
          type: 'line', name: ridge.name, xAxisIndex: i, yAxisIndex: i, step: 'middle', showSymbol: false, data: ridge.counts.map((n, k) => [panel.least + (k + 0.5) * width, n]), color: c.series[1], lineStyle: { width: 0.9 }, areaStyle: { opacity: 0.45 }, emphasis: { disabled: true },
          markLine: panel.marks?.length ? { symbol: 'none', silent: true, lineStyle: { color: c.soft, type: [2, 3], width: 0.8 }, label: { show: i === 0, color: c.soft, fontSize: 10, formatter: (/** @type {any} */ p) => p.data.name ?? '' }, data: panel.marks.map(m => ({ xAxis: m.at, name: m.text })) } : undefined,
        };
      }),
    })} />`;
}

/** @param {{ panel: HeatPanel }} props */
function Heat({ panel }) {
  const rows = panel.rows.length;
  const isSmall = rows <= 12;
  const longest = Math.max(...panel.columns.map(name => name.length), 0);
  const isTurned = isSmall && longest * panel.columns.length > 36;
  const sums = panel.values.map(row => row.reduce((a, b) => a + b, 0) || 1);
  const data = panel.values.flatMap((row, y) => row.map((n, x) => ({ value: [x, y, n / (sums[y] ?? 1)], count: n, isRight: panel.isDiagonalRight && panel.rows[y] === panel.columns[x] })));
  return html`<${Chart} of=${[panel]} height=${Math.min(900, Math.max(260, 110 + rows * (isSmall ? 26 : 12)))} label=${`${panel.title}: ${panel.rowTitle} against ${panel.columnTitle}. ${panel.isDiagonalRight ? panel.rows.map((name, i) => `${name}: ${number(panel.values[i]?.[i])} of ${number(sums[i])}`).slice(0, 20).join(', ') : ''}`}
    option=${(/** @type {any} */ c) => ({
      grid: { left: 8, right: 8, top: 24, bottom: 26, containLabel: true },
      xAxis: axis(c, panel.columnTitle, { isX: true, type: 'category', more: { data: panel.columns, nameGap: isTurned ? 18 + Math.min(56, longest * 4.5) : 26, axisLabel: { color: c.soft, fontSize: 10, rotate: isTurned ? 45 : 0, width: 76, overflow: 'truncate', interval: isSmall ? 0 : 'auto' } } }),
      yAxis: axis(c, panel.rowTitle, { type: 'category', more: { data: panel.rows, inverse: true, nameLocation: 'start', axisLabel: { color: c.soft, fontSize: 10, width: 90, overflow: 'truncate', interval: isSmall ? 0 : 'auto' } } }),
      visualMap: [0, 1].map(i => ({ show: false, type: 'continuous', min: 0, max: 1, seriesIndex: i, inRange: { color: [c.panel, i === 0 ? c.series[2] : c.series[1]] } })),
      tooltip: tooltip(c, { formatter: (/** @type {any} */ p) => `${panel.rowTitle} ${panel.rows[p.value[1]]}\n${panel.columnTitle} ${panel.columns[p.value[0]]}\n${number(p.data.count)} (${(p.value[2] * 100).toFixed(1)}%)` }),
      series: [data.filter(d => !d.isRight), data.filter(d => d.isRight)].map(own => ({
        type: 'heatmap', data: own.map(d => ({ ...d, label: { color: d.value[2] !== undefined && d.value[2] > 0.55 ? c.paper : c.ink } })), emphasis: { disabled: true }, itemStyle: { borderColor: c.panel, borderWidth: 1 },
        label: { show: isSmall, fontSize: 10, formatter: (/** @type {any} */ p) => p.data.count ? number(p.data.count) : '' },
      })),
    })} />`;
}

/** @param {{ panel: TablePanel, of: string }} props */
const Table = ({ panel, of }) => html`<div class="wide" tabindex="0" role="region" aria-label=${of ? `${panel.title}, ${of}` : panel.title}><table><caption class="unseen">${panel.title}</caption>
  <thead><tr>${panel.columns.map((c, i) => html`<th key=${i} scope="col" class=${c.isText ? 'text' : ''}>${c.title}</th>`)}</tr></thead>
  <tbody>${panel.rows.slice(0, 400).map((row, i) => html`<tr key=${i}>${row.map((cell, k) => html`<td key=${k} class=${panel.columns[k]?.isText ? 'text' : ''}>${cell.text ?? figure(cell.number ?? (panel.columns[k]?.format === 'bits' ? 0 : null), panel.columns[k]?.format)}</td>`)}</tr>`)}</tbody></table></div>
  ${panel.rows.length > 400 && html`<p class="soft">The first 400 of ${panel.rows.length} rows.</p>`}`;

const kinds = { lines: Lines, scatter: Scatter, bars: Bars, ridges: Ridges, heat: Heat, table: Table };

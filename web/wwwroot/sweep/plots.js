// Plots of the results of a sweep.

import { html, useMemo } from '../vendor/preact.js';
import { axisFactor, figure, number } from '../format.js';
import { go } from '../route.js';
import { Chart, axis, marks, room, roomLog, short, symbols, tooltip } from '../charts/chart.js';
import { front } from '../charts/pareto.js';
import { numberOf, textOf } from './table.js';

/** @import { Column, Row } from './table.js' */

/** @param {Column} column */
const factorOf = column => axisFactor(column.metric?.format);

/** @param {Column} column */
const titleOf = column => column.metric?.format === 'bytes' ? `${column.metric.longTitle ?? column.title}, KiB` : column.metric?.format === 'percent' ? column.title : column.metric?.longTitle ?? column.title;

/** @param {Row} row @param {Column} x @param {Column} y */
const isPlotted = (row, x, y) => !Number.isNaN(numberOf(row, x)) && !Number.isNaN(numberOf(row, y));

/**
 * Groups of a plot by their bits. Each has a place among those of all results, and with it its colour and shape, whichever of them are shown.
 * @param {Row[]} all
 * @param {Row[]} shown
 * @param {Column} x
 * @param {Column} y
 * @param {Column | undefined} bits
 */
export function groupsOf(all, shown, x, y, bits) {
  const of = (/** @type {Row} */ row) => bits ? numberOf(row, bits) || 0 : 0;
  const widths = [...new Set(all.filter(r => isPlotted(r, x, y)).map(of))].sort((a, b) => a - b);
  return widths.map((w, i) => ({ name: w === 0 ? (bits ? 'float' : 'results') : `${figure(w, 'bits')} bits`, symbol: symbols[(i + 1) % 8] ?? 'circle', rows: shown.filter(r => isPlotted(r, x, y) && of(r) === w) }));
}

/**
 * Results in the plane of two figures, with those that no other beats.
 * @param {{ rows: Row[], all: Row[], x: Column, y: Column, bits: Column | undefined, marked: ReadonlySet<number> | null, mark: (m: ReadonlySet<number> | null) => void, id: string }} props all: also those that a filter leaves out: a group looks the same without the others
 */
export function CostPlot({ rows, all, x, y, bits, mark, id }) {
  const { points, groups, best, isLog } = useMemo(() => {
    const groups = groupsOf(all, rows, x, y, bits);
    const known = rows.filter(r => isPlotted(r, x, y));
    const groupOf = new Map(groups.flatMap((g, i) => g.rows.map(r => /** @type {[Row, number]} */ ([r, i]))));
    // Where less is better on the upright axis, or more on the flat one, the front is that of the turned plane.
    const up = y.metric?.better === 'lower' ? -1 : 1;
    const right = x.metric?.better === 'higher' ? -1 : 1;
    const best = new Set(front(known.map(r => ({ cost: right * numberOf(r, x), height: up * numberOf(r, y) }))));
    const xs = known.map(r => numberOf(r, x));
    return {
      points: known.map((row, i) => ({ row, x: numberOf(row, x) * factorOf(x), y: numberOf(row, y) * factorOf(y), group: groupOf.get(row) ?? 0, isBest: best.has(i) })),
      groups, best: [...best].map(i => known[i]).filter(r => r !== undefined), isLog: xs.every(v => v > 0) && Math.max(...xs) > 3 * Math.min(...xs),
    };
  }, [rows, all, x, y, bits]);
  const byGroup = groups.map((_, g) => points.filter(p => p.group === g));
  const line = points.filter(p => p.isBest).sort((a, b) => a.x - b.x);
  if (points.length === 0) return html`<div class="empty"><p>${rows.length === 0 ? 'No result is like that.' : `No result has ${titleOf(y)} and ${titleOf(x)} yet.`}</p><p class="soft">${rows.length === 0 ? 'Take a filter away.' : 'A point appears when a stage that measures them has ended.'}</p></div>`;
  return html`<${Chart} of=${[points]} height=${420}
    label=${`${titleOf(y)} against ${titleOf(x)}, ${points.length} results. On the Pareto front: ${best.slice(0, 8).map(r => `${r.name}: ${textOf(r, y)} at ${textOf(r, x)}`).join('; ')}${best.length > 8 ? ` and ${best.length - 8} more` : ''}`}
    on=${{
      click: (/** @type {any} */ e) => e.data?.index !== undefined && go(['sweeps', id, 'executions', e.data.index]),
      brushEnd: (/** @type {any} */ e, /** @type {any} */ chart) => {
        const range = e.areas?.[0]?.range;
        if (!range) return mark(null);
        const [[fromX, toX], [fromY, toY]] = range;
        const [left, high] = chart.convertFromPixel({ gridIndex: 0 }, [fromX, fromY]);
        const [rightEnd, low] = chart.convertFromPixel({ gridIndex: 0 }, [toX, toY]);
        const own = points.filter(p => p.x >= left && p.x <= rightEnd && p.y >= low && p.y <= high);
        mark(own.length ? new Set(own.map(p => p.row.index)) : null);
      },
    }}
    ready=${(/** @type {any} */ chart) => chart.dispatchAction({ type: 'takeGlobalCursor', key: 'brush', brushOption: { brushType: 'rect', brushMode: 'single' } })}
    option=${(/** @type {any} */ c) => ({
      grid: { left: 8, right: 24, top: 38, bottom: 66, containLabel: true },
      xAxis: axis(c, `${titleOf(x)}${isLog ? ', logarithmic' : ''}`, { isX: true, isLog, more: isLog ? roomLog : room(points.map(p => p.x), x.metric?.format === 'percent') }), yAxis: axis(c, titleOf(y), { more: room(points.map(p => p.y), y.metric?.format === 'percent') }),
      tooltip: tooltip(c, { formatter: (/** @type {any} */ p) => p.data?.name ? `${p.data.name}\n${titleOf(y)}: ${number(p.value[1])}\n${titleOf(x)}: ${number(p.value[0])}` : '' }),
      legend: marks(c), toolbox: { show: false },
      // Of the whole canvas: who begins at the very edge often begins outside the axes.
      brush: { throttleType: 'debounce', throttleDelay: 200, brushStyle: { borderWidth: 1, color: 'rgba(127,127,127,0.15)', borderColor: c.soft }, outOfBrush: { colorAlpha: 0.15 } },
      series: [
        ...byGroup.map((own, g) => own.length === 0 ? null : ({
          type: 'scatter', name: groups[g]?.name, symbol: groups[g]?.symbol, color: c.series[(g + 1) % 8], symbolSize: points.length > 2000 ? 5 : points.length > 200 ? 8 : 12, progressive: 2000,
          data: own.map(p => ({ value: [p.x, p.y], name: p.row.name, index: p.row.index, itemStyle: p.isBest ? { borderColor: c.ink, borderWidth: 1.5, opacity: 1 } : { opacity: 0.55 } })),
        })).filter(s => s !== null),
        ...line.length > 1 ? [{ type: 'line', name: 'Pareto front', step: x.metric?.better === 'higher' ? 'start' : 'end', data: line.map(p => [p.x, p.y]), showSymbol: false, color: c.soft, lineStyle: { width: 1.3, type: [4, 2] }, silent: true, z: 1 }] : [],
      ],
    })} />`;
}

/**
 * A line for each result across its parameters and figures.
 * @param {{ rows: Row[], columns: Column[], goal: Column, mark: (m: ReadonlySet<number> | null) => void }} props
 */
export function Parallel({ rows, columns, goal, mark }) {
  const { axes, known } = useMemo(() => {
    // Two dozen axes cannot be told apart.
    const axes = columns.filter(c => rows.some(r => r.values[c.at] != null)).slice(0, 12).map(column => {
      const isText = rows.some(r => r.values[column.at] != null && typeof r.values[column.at] !== 'number');
      const values = rows.map(r => numberOf(r, column)).filter(v => !Number.isNaN(v));
      const isLog = !isText && values.length > 0 && values.every(v => v > 0) && Math.max(...values) > 20 * Math.min(...values);
      return { column, isText, isLog };
    });
    return { axes, known: rows.filter(r => !Number.isNaN(numberOf(r, goal))) };
  }, [rows, columns, goal]);
  const heights = known.map(r => numberOf(r, goal) * factorOf(goal));
  if (known.length === 0) return html`<div class="empty"><p>No result has ${goal.title} yet.</p></div>`;
  // Names of axes need room; a narrow screen scrolls.
  return html`<div class="wide" tabindex="0" role="region" aria-label="Parallel coordinates"><div style=${{ minWidth: `${axes.length * 84 + 60}px` }}><${Chart} of=${[known, axes]} height=${410} label=${`Parallel coordinates of ${known.length} results over ${axes.map(a => a.column.title).join(', ')}. The table below has the same figures.`}
    on=${{
      axisareaselected: (/** @type {any} */ _, /** @type {any} */ chart) => {
        const found = chart.getModel().getSeries()[0].getRawIndicesByActiveState('active');
        mark(found.length === known.length || found.length === 0 ? null : new Set(found.map((/** @type {number} */ i) => known[i]?.index ?? -1)));
      },
    }}
    option=${(/** @type {any} */ c) => ({
      tooltip: tooltip(c, { formatter: (/** @type {any} */ p) => p.name ?? '' }),
      parallel: { left: 70, right: 70, top: 46, bottom: 58, parallelAxisDefault: { nameLocation: 'start', nameGap: 16, nameTextStyle: { color: c.ink, fontSize: 11 }, nameRotate: 0, inverse: false, nameTruncate: { maxWidth: 120 }, axisLine: { lineStyle: { color: c.soft } }, axisTick: { lineStyle: { color: c.soft } }, axisLabel: { color: c.ink, fontSize: 10, hideOverlap: true, formatter: short, textBorderColor: c.panel, textBorderWidth: 3 }, realtime: false, areaSelectStyle: { width: 18, color: c.series[1], borderColor: c.series[1], opacity: 0.25 } } },
      parallelAxis: axes.map(({ column, isText, isLog }, dim) => ({ dim, name: column.name === 'seconds' ? 'time, s' : column.title, nameLocation: 'end', ...!isText && known.every(r => Number.isNaN(numberOf(r, column)) || Number.isInteger(numberOf(r, column) * factorOf(column))) ? { minInterval: 1 } : {}, type: isText ? 'category' : isLog ? 'log' : 'value', scale: true, ...isText ? { axisLabel: { formatter: undefined }, data: [...new Set(known.map(r => textOf(r, column)))] } : {} })),
      visualMap: { show: true, type: 'continuous', orient: 'horizontal', left: 'center', bottom: 0, itemWidth: 12, itemHeight: 160, text: [`${number(Math.max(...heights))} ${goal.title}`, number(Math.min(...heights))], textStyle: { color: c.ink, fontSize: 11 }, dimension: Math.max(0, axes.findIndex(a => a.column === goal)), min: Math.min(...heights), max: Math.max(...heights), inRange: { color: [c.series[2], c.series[5], c.series[3], c.series[1]] } },
      series: [{
        type: 'parallel', smooth: false, progressive: 1000, lineStyle: { width: known.length > 500 ? 0.7 : 1.5, opacity: known.length > 500 ? 0.25 : 0.7 }, inactiveOpacity: 0.04,
        data: known.map(row => ({ name: row.name, value: axes.map(({ column, isText }) => isText ? textOf(row, column) : Number.isNaN(numberOf(row, column)) ? '-' : numberOf(row, column) * factorOf(column)) })),
      }],
    })} /></div></div>`;
}

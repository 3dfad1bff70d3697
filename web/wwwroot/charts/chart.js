// A chart on a canvas, in the colours of the page. ECharts is loaded when the first chart is shown.

import { html, useEffect, useLayoutEffect, useRef, useState } from '../vendor/preact.js';
import { isDark } from '../theme.js';

/** @import { EChartsOption, ECharts } from '../vendor/echarts.js' */

/** @typedef {{ series: string[], paper: string, ink: string, soft: string, grid: string, panel: string, bad: string }} Colours */

/** Shapes of groups of points, in the order of the colours. */
export const symbols = ['diamond', 'circle', 'rect', 'triangle', 'path://M0 0L10 0L5 9Z', 'path://M3 0L7 0L10 5L7 10L3 10L0 5Z', 'path://M3.5 0h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5z', 'path://M5 0L6.2 3.8H10L7 6.2L8 10L5 7.7L2 10L3 6.2L0 3.8H3.8Z'];

/** Dashes of lines, in the order of the colours. @type {('solid' | number[])[]} */
export const dashes = ['solid', [7, 3], [2, 2], [8, 2, 2, 2], [4, 3], [10, 2, 2, 2, 2, 2], [2, 3], [12, 4]];

/** @returns {Colours} */
function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  return { series: Array.from({ length: 8 }, (_, i) => of(`c${i}`)), paper: of('paper'), ink: of('ink'), soft: of('soft'), grid: of('grid'), panel: of('panel'), bad: of('bad') };
}

/**
 * An axis in the style of the page.
 * @param {Colours} c
 * @param {string} name
 * @param {{ isLog?: boolean, isX?: boolean, type?: 'value' | 'category', fromZero?: boolean, more?: Record<string, unknown> }} [options]
 * @returns {any}
 */
export const axis = (c, name, { isLog = false, isX = false, type = 'value', fromZero = false, more = {} } = {}) => ({
  type: isLog ? 'log' : type,
  name,
  nameLocation: isX ? 'middle' : 'end',
  nameGap: isX ? 26 : 14,
  nameTextStyle: { color: c.ink, fontSize: 12, align: isX ? 'center' : 'left', padding: isX ? 0 : [0, 0, 0, -14] },
  scale: !fromZero,
  axisLine: { show: isX, onZero: false, lineStyle: { color: c.soft } },
  axisTick: { show: false },
  axisLabel: { color: c.soft, fontSize: 11, hideOverlap: true, formatter: type === 'category' ? undefined : short },
  splitLine: { show: type === 'value' || isLog, lineStyle: { color: c.grid, width: 0.7 } },
  minorTick: { show: false },
  ...more,
});

/**
 * Room around points on a linear axis. Percent end at 100, and whole numbers have whole ticks.
 * @param {number[]} values in the unit of the axis
 * @param {boolean} isPercent
 * @returns {Record<string, unknown>}
 */
export function room(values, isPercent) {
  if (values.length === 0) return {};
  const least = values.reduce((a, b) => Math.min(a, b));
  const greatest = values.reduce((a, b) => Math.max(a, b));
  const isWhole = values.every(Number.isInteger);
  // A single value would get an axis half as large again.
  const margin = greatest > least ? (greatest - least) * 0.06 : isPercent ? 2 : isWhole ? 1 : Math.abs(greatest) * 0.1 || 1;
  // A tick may lie this far beyond the outermost value.
  const reach = greatest > least ? (greatest - least) * 0.4 : margin;
  const isBound = isPercent && least >= 0 && greatest <= 100;
  const ends = greatest > least ? { min: undefined, max: undefined } : isPercent ? { min: Math.floor(least - margin), max: Math.ceil(greatest + margin) } : { min: nice(least - margin), max: nice(greatest + margin) };
  return {
    ...isWhole && !isPercent ? { minInterval: 1 } : {}, ...isWhole && greatest - least <= 12 && !isPercent ? { min: least - 1, max: greatest + 1, interval: 1 }
      : { boundaryGap: ['6%', '6%'], min: isBound && least - reach <= 0 ? 0 : ends.min, max: isBound && greatest + reach >= 100 ? 100 : ends.max },
  };
}

/** @param {number} value an end of an axis that is short to read */
const nice = value => Number(value.toPrecision(3));

/** The same on a logarithmic axis. */
export const roomLog = {
  min: (/** @type {{ min: number }} */ v) => Number((v.min * 0.85).toPrecision(2)), max: (/** @type {{ max: number }} */ v) => Number((v.max * 1.18).toPrecision(2)),
};

/** @param {number} value a number on an axis: 200k */
export function short(value) {
  const size = Math.abs(value);
  if (size >= 1e9) return `${round(value / 1e9)}G`;
  if (size >= 1e6) return `${round(value / 1e6)}M`;
  if (size >= 1e4) return `${round(value / 1e3)}k`;
  return size !== 0 && size < 1e-3 ? value.toExponential(1).replace('.0', '') : String(round(value));
}

/** @param {number} value */
const round = value => Number(value.toPrecision(4));

/**
 * @param {{
 *   option: (c: Colours) => EChartsOption | Record<string, unknown>, label: string, height?: number,
 *   on?: Record<string, (event: any, chart: ECharts) => void>, ready?: (chart: ECharts) => void, of?: unknown[],
 * }} props label: what a screen reader says; on: events of the chart; of: what the option is made of: it is made again when that changes
 */
export function Chart({ option, label, height = 300, on = {}, ready, of = [] }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [chart, set] = useState(/** @type {ECharts | null} */ (null));
  const handlers = useRef(on);
  handlers.current = on;
  const dark = isDark.value;
  useEffect(() => {
    let isGone = false;
    /** @type {ECharts | undefined} */
    let made;
    const watch = new ResizeObserver(() => made?.resize());
    import('../vendor/echarts.js').then(({ init }) => {
      if (isGone || !box.current) return;
      made = init(box.current, null, { renderer: 'canvas' });
      for (const name of Object.keys(handlers.current)) made.on(name, event => made && handlers.current[name]?.(event, made));
      watch.observe(box.current);
      set(made);
    });
    return () => {
      isGone = true;
      watch.disconnect();
      made?.dispose();
    };
  }, []);
  useLayoutEffect(() => {
    if (!chart) return;
    const c = colours();
    chart.setOption(/** @type {EChartsOption} */ ({
      animation: false, backgroundColor: 'transparent', textStyle: { fontFamily: 'system-ui, sans-serif', color: c.ink },
      ...option(c),
    }), { notMerge: true });
    ready?.(chart);
  }, [chart, dark, ...of]);
  return html`<div class="chart" role="img" aria-label=${label}><div ref=${box} style=${{ height: `${height}px`, width: '100%' }} aria-hidden="true" /></div>`;
}

/**
 * A tooltip without markup: text of a stage never becomes a part of the page.
 * @param {Colours} c
 * @param {Record<string, unknown>} more
 */
export const tooltip = (c, more) => ({
  renderMode: 'richText', confine: true, backgroundColor: c.paper, borderColor: c.soft, borderWidth: 1, textStyle: { color: c.ink, fontSize: 12, fontFamily: 'system-ui, sans-serif' }, ...more,
});

/** @param {Colours} c */
export const legend = c => ({ bottom: 0, left: 0, type: 'scroll', textStyle: { color: c.ink, fontSize: 12 }, itemWidth: 22, pageIconColor: c.ink, pageIconInactiveColor: c.grid, pageTextStyle: { color: c.ink } });

/** A legend of marks, which keep their shapes. @param {Colours} c */
export const marks = c => ({ ...legend(c), itemWidth: 12, itemHeight: 12, itemGap: 14 });

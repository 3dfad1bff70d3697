// The results of a sweep as a table: read in pages, kept as rows of figures.

import { useEffect, useRef, useState } from '../vendor/preact.js';
import { paths } from '../ahead.js';
import { Fault, get, isPassing } from '../api.js';
import { clock, digest, figure, head, parameter } from '../format.js';

/** @import { MetricDescriptor, SweepTable, TableColumn } from '../types' */

/**
 * A result. Its figures stand in the order of the columns.
 * @typedef {{ index: number, state: string, values: unknown[], name: string, isMeasured: boolean }} Row isMeasured: its size is known
 */

/**
 * @typedef {object} Column
 * @property {string} name
 * @property {number} at its place in a row
 * @property {string} title
 * @property {TableColumn['kind']} kind
 * @property {MetricDescriptor | null} metric
 * @property {boolean} isText
 * @property {boolean} isUsual shown unasked
 */

/** @typedef {{ columns: Column[], rows: Row[] }} Results */

/**
 * Reads the table, and again while the sweep goes on: the longer reading takes, the longer it rests in between.
 * @param {string} id
 * @param {string} mark reads again when it changes: what the sweep's counts say
 * @returns {{ results: Results | undefined, isWhole: boolean, fault: Fault | undefined }}
 */
export function useTable(id, mark) {
  const [state, set] = useState(/** @type {{ results?: Results, isWhole: boolean, fault?: Fault }} */ ({ isWhole: false }));
  const kick = useRef(() => {});
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    let until = 0;
    let isReading = false;
    let isWanted = false;
    const read = async () => {
      const began = Date.now();
      isReading = true;
      isWanted = false;
      /** @type {TableColumn[]} */
      let columns = [];
      /** @type {unknown[][]} */
      const rows = [];
      let after = /** @type {number | null} */ (null);
      try {
        do {
          const page = /** @type {SweepTable} */ (await get(paths.table(id, after), stop.signal));
          columns = page.columns;
          for (const row of page.rows) rows.push(row);
          after = page.next ?? null;
          // The first page is there to be seen before the last one is.
          if (after !== null) set(old => old.isWhole ? old : { results: made(columns, rows), isWhole: false });
        } while (after !== null && !stop.signal.aborted);
        set({ results: made(columns, rows), isWhole: true });
      } catch (e) {
        if (stop.signal.aborted) return;
        if (!(e instanceof Fault)) throw e;
        const fault = e;
        set(old => ({ ...old, fault }));
        // The coordinator may be there again soon, and nothing else need change then.
        isWanted ||= isPassing(e);
      }
      isReading = false;
      until = Date.now() + Math.max(isWanted ? 2000 : 1000, 20 * (Date.now() - began));
      if (isWanted) soon();
    };
    // What changes while it is read, or while it rests, is read once afterwards.
    const soon = () => {
      isWanted = true;
      if (isReading) return;
      clearTimeout(timer);
      timer = setTimeout(read, Math.max(0, until - Date.now()));
    };
    kick.current = soon;
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [id]);
  useEffect(() => kick.current(), [id, mark]);
  return { results: state.results, isWhole: state.isWhole, fault: state.fault };
}

/**
 * @param {TableColumn[]} all
 * @param {unknown[][]} rows
 * @returns {Results}
 */
function made(all, rows) {
  const place = new Map(all.map((c, i) => [c.name, i]));
  const isKnown = (/** @type {number} */ i) => rows.some(r => r[i] != null);
  // A stage that some results do not have makes no difference among those that have it.
  const differs = (/** @type {number} */ i) => new Set(rows.map(r => r[i]).filter(v => v != null)).size > 1;
  const columns = all.flatMap((c, at) => {
    if (c.name === 'index' || c.name === 'state') return [];
    /** @type {Column} */
    const column = { name: c.name, at, title: c.name.replace('.', ' '), kind: c.kind, metric: c.metric ?? null, isText: c.isText, isUsual: false };
    if (c.kind === 'metric' && c.metric) Object.assign(column, { title: head(c.metric), isUsual: (c.metric.isColumn || c.isSought) && isKnown(at) });
    else if (c.kind === 'dense' && c.metric) Object.assign(column, { title: `${head(c.metric)} of the dense network`, metric: { ...c.metric, better: 'neither' } });
    else if (c.kind === 'ratio') Object.assign(column, { title: `${c.metric?.title ?? c.name}, share of the dense network's`, isUsual: c.isSought === true && isKnown(at), metric: c.metric ? { ...c.metric, format: 'ratio', better: 'neither' } : null });
    else if (c.name === 'seconds') Object.assign(column, { title: 'time', isUsual: isKnown(at) });
    else if (c.name !== 'checkpoint') column.isUsual = differs(at);
    return [column];
  });
  const isFigure = (/** @type {Column} */ c) => c.metric !== null || c.name === 'seconds' || c.name === 'checkpoint';
  const naming = columns.filter(c => !isFigure(c) && c.isUsual);
  const index = place.get('index') ?? 0;
  const state = place.get('state') ?? 1;
  const sizes = columns.filter(c => c.kind === 'metric' && c.metric?.format === 'bytes');
  return {
    columns: [...columns.filter(c => !isFigure(c)), ...columns.filter(c => c.metric).sort((a, b) => (a.metric?.rank ?? 999) - (b.metric?.rank ?? 999)), ...columns.filter(c => isFigure(c) && !c.metric)],
    rows: rows.map(values => ({
      index: Number(values[index]), state: String(values[state]), values, isMeasured: sizes.some(c => values[c.at] != null),
      name: naming.filter(c => values[c.at] != null).map(c => `${c.title} ${parameter(values[c.at])}`).join(', ') || 'dense',
    })),
  };
}

/**
 * A number of a row; NaN where it is not known.
 * @param {Row} row
 * @param {Column} column
 */
export const numberOf = (row, column) => {
  const value = row.values[column.at];
  return typeof value === 'number' ? value : NaN;
};

/**
 * @param {Row} row
 * @param {Column} column
 */
export const textOf = (row, column) => {
  const value = row.values[column.at];
  if (column.name === 'seconds') return typeof value === 'number' ? clock(value) : '–';
  if (column.name === 'checkpoint') return typeof value === 'string' ? digest(value) : '–';
  // A stage that measures sizes leaves the bits of a network of floats out.
  if (column.metric?.format === 'bits' && value == null) return row.isMeasured ? 'float' : '–';
  if (column.metric) return figure(typeof value === 'number' ? value : null, column.metric.format);
  return value == null ? '–' : parameter(value);
};

/** The metric by which results are judged first. @param {Column[]} columns */
export const goalOf = columns => columns.find(c => c.metric?.better === 'higher' && c.isUsual) ?? columns.find(c => c.metric?.better === 'higher');

/** Metrics that a better result pays with. @param {Column[]} columns */
export const costsOf = columns => columns.filter(c => c.metric?.better === 'lower');

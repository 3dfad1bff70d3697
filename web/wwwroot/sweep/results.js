// Results: what was reached against what it costs, parallel coordinates, and the table. What is chosen in a plot is what the table shows.

import { html, useId, useMemo, useState } from '../vendor/preact.js';
import { takeAway, url } from '../api.js';
import { counted } from '../format.js';
import { setQuery, to } from '../route.js';
import { FaultNote, Pending, State, sayFault, useWindow } from '../ui.js';
import { CostPlot, Parallel } from './plots.js';
import { costsOf, goalOf, numberOf, textOf, useTable } from './table.js';

/** @import { ExecutionState, SweepStatus } from '../types' */
/** @import { Column, Row } from './table.js' */

/** @typedef {{ column: string, is: '<' | '>' | '=', value: string }} Filter value in the unit that the table shows */

const most = 6;
const columnsKey = 'lathe.columns';
const rowHeight = 36;

/** @param {{ sweep: SweepStatus, query: URLSearchParams }} props */
export function Results({ sweep, query }) {
  const mark = JSON.stringify(sweep.steps.map(s => [s.counts.completed, s.counts.cached, s.counts.failed]));
  const { results, isWhole, fault } = useTable(sweep.id, mark);
  const [marked, setMarked] = useState(/** @type {ReadonlySet<number> | null} */ (null));
  // In the address, so that who comes back from the comparison finds them.
  const chosenText = query.get('chosen') ?? '';
  const chosen = useMemo(() => new Set(chosenText.split(',').filter(t => t).map(Number)), [chosenText]);
  const choose = (/** @type {ReadonlySet<number>} */ next) => setQuery({ chosen: [...next].join(',') });
  const [kept, keep] = useState(readKept);
  const text = query.get('filter') ?? '';
  const sort = query.get('sort') ?? '';
  const filters = useMemo(() => readFilters(text), [text]);
  const columns = results?.columns ?? [];
  const shown = columns.filter(c => kept[c.name] ?? c.isUsual);
  const rows = useMemo(() => {
    if (!results) return [];
    const passing = results.rows.filter(row => (!marked || marked.has(row.index)) && filters.every(f => passes(row, results.columns.find(c => c.name === f.column), f)));
    return sorted(passing, results.columns.find(c => c.name === sort.replace(/^-/, '')), sort.startsWith('-'));
  }, [results, marked, filters, sort]);
  // The plots and the filters have the same rows, but a plot keeps those that were not marked in it.
  const plotted = useMemo(() => results?.rows.filter(row => filters.every(f => passes(row, results.columns.find(c => c.name === f.column), f))) ?? [], [results, filters]);

  if (!results) return html`<${Pending} fault=${fault} what="Reading results" />`;
  const ready = (/** @type {Row[]} */ of) => of.filter(row => row.state === 'completed' || row.state === 'cached').length;
  const here = ready(results.rows);
  const open = results.rows.length - here;
  const goal = columns.find(c => c.name === query.get('y')) ?? goalOf(columns);
  const costs = costsOf(columns);
  const cost = columns.find(c => c.name === query.get('x')) ?? costs.find(c => c.metric?.format === 'bytes') ?? costs[0];
  const figures = columns.filter(c => c.metric && results.rows.some(r => !Number.isNaN(numberOf(r, c))));
  const view = query.get('plot') ?? 'plane';
  const picked = [...chosen];

  return html`<${FaultNote} fault=${fault} />
    ${goal && cost && html`<section aria-labelledby="plots"><h2 id="plots">Plot</h2>
      <div class="row filters"><label class="check">Plot <select value=${view} onChange=${(/** @type {any} */ e) => { setMarked(null); setQuery({ plot: e.target.value }); }}><option value="plane">plane with Pareto front</option><option value="parallel">parallel coordinates</option></select></label>
        ${view === 'plane' && figures.length > 0 && html`<label class="check">Upwards <select value=${goal.name} onChange=${(/** @type {any} */ e) => setQuery({ y: e.target.value })}>${figures.map(c => html`<option key=${c.name} value=${c.name}>${longTitle(c, figures)}</option>`)}</select></label>
        <label class="check">Across <select value=${cost.name} onChange=${(/** @type {any} */ e) => setQuery({ x: e.target.value })}>${figures.map(c => html`<option key=${c.name} value=${c.name}>${longTitle(c, figures)}</option>`)}</select></label>`}
        <span class="soft">${figures.length === 0 ? '' : view === 'plane' ? 'Drag over points to see them alone in the table.' : 'Drag along an axis to choose.'}</span></div>
      <figure>${view === 'plane' ? html`<${CostPlot} rows=${plotted} all=${results.rows} x=${cost} y=${goal} bits=${columns.find(c => c.metric?.format === 'bits')} marked=${marked} mark=${setMarked} id=${sweep.id} />`
        : html`<${Parallel} rows=${plotted} columns=${shown} goal=${goal} mark=${setMarked} />`}</figure></section>`}
    <section aria-labelledby="table"><h2 id="table">Results</h2>
      <${FilterBar} columns=${columns} filters=${filters} />
      <div class="row apart filters"><div class="row"><span role="status">${rows.length === results.rows.length ? counted(here, 'result') : `${ready(rows).toLocaleString('en-US')} of ${counted(here, 'result')}`}${open > 0 ? `, ${open.toLocaleString('en-US')} not there yet` : ''}${isWhole ? '' : ', more are being read'}</span>
          ${marked && html`<button type="button" class="small" onClick=${() => setMarked(null)}>Show all, not only the marked ones</button>`}</div>
        <div class="row">${picked.length >= 2 && picked.length <= most ? html`<a class="button main" href=${to(['compare'], { executions: picked.map(i => `${sweep.id}:${i}`).join(',') })}>Compare ${picked.length}</a>`
            : html`<span class="soft">${picked.length === 0 ? 'Choose two to six to compare' : picked.length === 1 ? 'Choose another one to compare' : `Choose at most ${most} to compare`}</span>`}
          <${ColumnChoice} columns=${columns} kept=${kept} keep=${keep} />
          <${Download} sweep=${sweep} rows=${rows} columns=${shown} all=${results.rows.length} /></div></div>
      ${rows.length === 0 ? html`<div class="empty"><p>${results.rows.length === 0 ? 'There are no results yet.' : 'No result is like that.'}</p></div>`
        : html`<${Rows} id=${sweep.id} rows=${rows} columns=${shown} sort=${sort} chosen=${chosen} choose=${choose} goal=${goal} />
          ${goal && rows.length > 1 && html`<p class="soft">Bold: the best ${goal.title} of the rows that are shown.</p>`}`}</section>`;
}

/** @param {{ id: string, rows: Row[], columns: Column[], sort: string, chosen: ReadonlySet<number>, choose: (c: ReadonlySet<number>) => void, goal: Column | undefined }} props */
function Rows({ id, rows, columns, sort, chosen, choose, goal }) {
  const { box, first, last, before, after } = useWindow(rows.length, rowHeight);
  const best = useMemo(() => {
    const known = goal ? rows.filter(r => !Number.isNaN(numberOf(r, goal))) : [];
    return goal && known.length > 1 ? known.reduce((a, b) => numberOf(b, goal) > numberOf(a, goal) ? b : a).index : -1;
  }, [rows, goal]);
  return html`<div class="scroll" ref=${box} tabindex="0" role="region" aria-label="Table of results"><table class="full" aria-rowcount=${rows.length + 1}><thead><tr aria-rowindex="1"><th scope="col"><span class="unseen">Choose</span></th>
      <${Head} name="" title="#" sort=${sort} isText=${true} /><th scope="col" class="text">state</th>${columns.map(c => html`<${Head} key=${c.name} name=${c.name} title=${c.title} sort=${sort} about=${c.metric?.description} isText=${!isNumeric(c)} falls=${c.metric?.better === 'higher'} />`)}</tr></thead>
    <tbody>${before > 0 && html`<tr class="spacer" key="before"><td colspan=${columns.length + 3} style=${{ height: `${before}px` }} /></tr>`}
      ${rows.slice(first, last).map((row, i) => html`<tr key=${row.index} aria-rowindex=${first + i + 2} class=${`${chosen.has(row.index) ? 'chosen' : ''} ${row.index === best ? 'best' : ''}`}>
        <td><input type="checkbox" aria-label=${`Choose result ${row.index}: ${row.name}`} checked=${chosen.has(row.index)} onChange=${() => { const next = new Set(chosen); if (!next.delete(row.index)) next.add(row.index); choose(next); }} /></td>
        <td class="text"><a href=${to(['sweeps', id, 'executions', row.index])}>${row.index}</a></td><td class="text"><${State} state=${/** @type {ExecutionState} */ (row.state)} /></td>
        ${columns.map(c => html`<td key=${c.name} class=${isNumeric(c) ? '' : 'text way'}>${textOf(row, c)}</td>`)}</tr>`)}
      ${after > 0 && html`<tr class="spacer" key="after"><td colspan=${columns.length + 3} style=${{ height: `${after}px` }} /></tr>`}</tbody></table></div>`;
}

/**
 * The long title, with the name where several have the same.
 * @param {Column} column
 * @param {Column[]} all
 */
function longTitle(column, all) {
  const of = (/** @type {Column} */ c) => c.kind === 'metric' ? c.metric?.longTitle ?? c.title : c.title;
  return all.filter(c => of(c) === of(column)).length > 1 ? `${of(column)} (${column.name})` : of(column);
}

/** @param {Column} column */
const isNumeric = column => column.metric !== null || column.name === 'seconds';

/** @param {{ name: string, title: string, sort: string, about?: string, isText?: boolean, falls?: boolean }} props */
function Head({ name, title, sort, about, isText = false, falls = false }) {
  const isSorted = sort.replace(/^-/, '') === name;
  const isFalling = sort.startsWith('-');
  // What should be large begins with the largest; a third press goes back to the order of the sweep.
  const next = !isSorted ? (falls ? `-${name}` : name) : isFalling === falls ? (isFalling ? name : `-${name}`) : '';
  return html`<th scope="col" class=${isText ? 'text' : ''} aria-sort=${isSorted && name ? (isFalling ? 'descending' : 'ascending') : undefined} title=${about}>
    <button type="button" onClick=${() => setQuery({ sort: next })}>${title}<span class="arrow" aria-hidden="true">${isSorted && name ? (isFalling ? '▼' : '▲') : ''}</span></button></th>`;
}

/** @param {{ columns: Column[], kept: Record<string, boolean>, keep: (k: Record<string, boolean>) => void }} props */
function ColumnChoice({ columns, kept, keep }) {
  const change = (/** @type {Record<string, boolean>} */ next) => {
    localStorage.setItem(columnsKey, JSON.stringify(next));
    keep(next);
  };
  return html`<details class="menu"><summary class="button">Columns</summary><div class="card"><fieldset><legend class="unseen">Columns of the table</legend>${columns.map(c => html`<label key=${c.name} title=${c.metric?.description}><input type="checkbox" checked=${kept[c.name] ?? c.isUsual} onChange=${(/** @type {any} */ e) => change({ ...kept, [c.name]: e.target.checked })} /> ${c.title}${c.metric && c.title !== c.name ? html` <small>${c.name}</small>` : ''}</label>`)}</fieldset>
    <button type="button" class="small" onClick=${() => change({})}>As usual</button></div></details>`;
}

const formats = [['csv', 'CSV'], ['json', 'JSON'], ['parquet', 'Parquet']];

/**
 * What the table shows as a file, in its order, and everything.
 * @param {{ sweep: SweepStatus, rows: Row[], columns: Column[], all: number }} props
 */
function Download({ sweep, rows, columns, all }) {
  const name = sweep.name.replaceAll(/[^\w.-]/g, '_');
  const take = async (/** @type {string} */ format) => {
    try {
      await takeAway(`/sweeps/${sweep.id}/table`, { format, columns: ['index', 'state', ...columns.map(c => c.name)], rows: rows.map(r => r.index) }, `${name}-shown.${format}`);
    } catch (e) {
      sayFault(e);
    }
  };
  return html`<details class="menu"><summary class="button">Download</summary><div class="card">
    <p id="shown">As shown: ${counted(rows.length, 'row')}, ${counted(columns.length + 2, 'column')}</p><div class="row" role="group" aria-labelledby="shown">${formats.map(([format = '', title]) => html`<button key=${format} type="button" disabled=${rows.length === 0} onClick=${() => take(format)}>${title}</button>`)}</div>
    <p id="all">Everything: ${counted(all, 'row')} with every column</p><div class="row" role="group" aria-labelledby="all"><a class="button" download href=${url(`/sweeps/${sweep.id}/table?format=csv`)}>CSV</a><a class="button" download=${`${name}.json`} href=${url(`/sweeps/${sweep.id}/results`)}>JSON</a><a class="button" download href=${url(`/sweeps/${sweep.id}/table?format=parquet`)}>Parquet</a></div></div></details>`;
}

/** @param {{ columns: Column[], filters: Filter[] }} props */
function FilterBar({ columns, filters }) {
  const ids = useId();
  const [draft, set] = useState(/** @type {Filter} */ ({ column: '', is: '<', value: '' }));
  const [wrong, setWrong] = useState('');
  const column = columns.find(c => c.name === draft.column) ?? costsOf(columns).find(c => c.metric?.format === 'bytes') ?? goalOf(columns) ?? columns[0];
  const write = (/** @type {Filter[]} */ next) => setQuery({ filter: next.map(f => `${f.column}${f.is}${f.value}`).join(';') });
  const add = (/** @type {Event} */ e) => {
    e.preventDefault();
    if (!column || draft.value.trim() === '') return;
    if (draft.is !== '=' && Number.isNaN(numberIn(draft.value))) return setWrong(`"${draft.value}" is no number; expected one with a point, for example 40.5${draft.value.includes(',') ? ', and without commas' : ''}.`);
    setWrong('');
    write([...filters, { ...draft, column: column.name, value: draft.value.trim() }]);
    set({ ...draft, value: '' });
  };
  const wordsOf = (/** @type {Filter} */ f) => `${columns.find(c => c.name === f.column)?.title ?? f.column} ${f.is === '<' ? '≤' : f.is === '>' ? '≥' : '='} ${f.value}`;
  return html`<form class="row filters" onSubmit=${add}><label for=${ids + 'c'}>Only where</label><select id=${ids + 'c'} value=${column?.name} onChange=${(/** @type {any} */ e) => set({ ...draft, column: e.target.value })}>${columns.map(c => html`<option key=${c.name} value=${c.name}>${c.title}</option>`)}</select>
    <select aria-label="Comparison" value=${draft.is} onChange=${(/** @type {any} */ e) => set({ ...draft, is: e.target.value })}><option value="<">is at most</option><option value=">">is at least</option><option value="=">is</option></select>
    <input aria-label="Value" size="10" value=${draft.value} aria-invalid=${wrong ? 'true' : undefined} onInput=${(/** @type {any} */ e) => set({ ...draft, value: e.target.value })} /><button>Filter</button>${wrong && html`<span class="failed" role="alert">${wrong}</span>`}
    ${filters.map((f, i) => html`<button key=${i} type="button" class="small" aria-label=${`Remove the filter ${wordsOf(f)}`} onClick=${() => write(filters.filter((_, k) => k !== i))}>${wordsOf(f)} ✕</button>`)}</form>`;
}

/**
 * @param {string} text
 * @returns {Filter[]}
 */
function readFilters(text) {
  return text.split(';').flatMap(part => {
    const found = /^([\w.]+)([<>=])(.+)$/.exec(part);
    return found ? [{ column: found[1] ?? '', is: /** @type {Filter['is']} */ (found[2]), value: found[3] ?? '' }] : [];
  });
}

/** The number of a filter, which may have the unit of the table. A comma parts thousands for one reader and decimals for another: NaN. @param {string} text */
const numberIn = text => Number(text.replace(/\s*(%|KiB)$/i, ''));

/**
 * @param {Row} row
 * @param {Column | undefined} column
 * @param {Filter} filter
 */
function passes(row, column, filter) {
  if (!column) return true;
  if (filter.is === '=') return textOf(row, column).toLowerCase() === filter.value.toLowerCase();
  // As it is shown: 40 is 40 KiB or 40%.
  const factor = column.metric?.format === 'percent' ? 100 : column.metric?.format === 'bytes' ? 1 / 1024 : 1;
  const value = numberOf(row, column) * factor;
  const bound = numberIn(filter.value);
  return filter.is === '<' ? value <= bound : value >= bound;
}

/**
 * @param {Row[]} rows
 * @param {Column | undefined} column
 * @param {boolean} falls
 */
function sorted(rows, column, falls) {
  if (!column) return rows;
  const sign = falls ? -1 : 1;
  return [...rows].sort((a, b) => {
    const x = a.values[column.at];
    const y = b.values[column.at];
    // What is not known stands last.
    if (x == null || y == null) return x == null ? (y == null ? a.index - b.index : 1) : -1;
    return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y))) || a.index - b.index;
  });
}

/** @returns {Record<string, boolean>} */
function readKept() {
  try {
    return JSON.parse(localStorage.getItem(columnsKey) ?? '{}');
  } catch {
    return {};
  }
}

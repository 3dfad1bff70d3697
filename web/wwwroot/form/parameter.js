// The field of one parameter, made from its schema.

import { html, useState } from '../vendor/preact.js';
import { parameter } from '../format.js';
import { FlowFault, readFlow, writeFlow } from './flow.js';

/** @import { Schema } from '../types' */

/**
 * @typedef {object} Props
 * @property {string} id
 * @property {string} name
 * @property {Schema | undefined} schema
 * @property {unknown} value undefined: the usual one
 * @property {string[]} problems
 * @property {(value: unknown) => void} change
 * @property {boolean} [isSingle] one value, no axis
 */

/** @param {Props} props */
export function Parameter({ id, name, schema = {}, value, problems, change, isSingle = false }) {
  const [typed, set] = useState(/** @type {string | null} */ (null));
  const [wrong, setWrong] = useState('');
  const types = schemaTypes(schema);
  const isText = types.has('string') && !types.has('number') && !types.has('integer');
  const choices = /** @type {any[] | null} */ (schema.enum ?? (types.has('boolean') && !types.has('string') ? [true, false] : null));
  const about = Notes({ id: `${id}-about`, problems: wrong ? [wrong] : problems, about: [schema.description ?? schema.title, range(schema), isText && !choices && !isSingle ? 'Commas belong to the text; several texts are written [one, two].' : ''].filter(t => t).join(' ') });
  const isWrong = wrong !== '' || problems.length > 0;
  const usual = schema.default === undefined ? 'required' : schema.default === null ? 'none' : parameter(schema.default) || 'empty';
  if (choices && isSingle) {
    return html`<div class="field"><label for=${id}>${name}</label><select id=${id} value=${String(value)} aria-invalid=${isWrong ? 'true' : undefined} aria-describedby=${`${id}-about`} onChange=${(/** @type {any} */ e) => change(choices.find(c => String(c) === e.target.value))}>${choices.map(c => html`<option key=${String(c)} value=${String(c)}>${String(c)}</option>`)}</select>${about}</div>`;
  }
  if (choices && (value === undefined || Array.isArray(value) || choices.includes(/** @type {any} */ (value)))) {
    const chosen = /** @type {unknown[]} */ (value === undefined ? [] : Array.isArray(value) ? value : [value]);
    const toggle = (/** @type {unknown} */ v, /** @type {boolean} */ isOn) => {
      const next = choices.filter(c => c === v ? isOn : chosen.includes(c));
      change(next.length === 0 ? undefined : next.length === 1 ? next[0] : next);
    };
    return html`<fieldset class="field choice" aria-describedby=${`${id}-about`}><legend>${name}</legend><div class="row">${choices.map(c => html`<label class="check" key=${String(c)}><input type="checkbox" checked=${chosen.includes(c)} onChange=${(/** @type {any} */ e) => toggle(c, e.target.checked)} />${String(c)}${chosen.length === 0 && c === schema.default ? html` <small>usual</small>` : ''}</label>`)}</div>${about}</fieldset>`;
  }
  const type = (/** @type {string} */ text) => {
    set(text);
    try {
      change(readFlow(text, isText));
      setWrong('');
    } catch (e) {
      if (!(e instanceof FlowFault)) throw e;
      // A text may be anything; of all else the coordinator says no as well, so nothing can start like that.
      change(text.trim());
      setWrong(isText ? '' : `${e.message}.`);
    }
  };
  return html`<div class="field"><label for=${id}>${name}</label><input id=${id} autocomplete="off" placeholder=${usual} value=${typed ?? writeFlow(value, isText)} aria-invalid=${isWrong ? 'true' : undefined} aria-describedby=${`${id}-about`}
    onInput=${(/** @type {any} */ e) => type(e.target.value)} onBlur=${() => wrong || set(null)} />${about}</div>`;
}

/** @param {{ id: string, problems: string[], about?: string }} props what is wrong with a field, and what it is for, each in lines of its own */
export const Notes = ({ id, problems, about }) => html`<div class="notes" id=${id}>${problems.map((p, i) => html`<span class="problem" key=${i}>${p}</span>`)}${about && html`<small>${about}</small>`}</div>`;

/** @param {Schema} schema */
export const schemaTypes = schema => new Set([schema.type ?? [], ...(schema.anyOf ?? []).map(s => s.type ?? [])].flat(2));

/**
 * Why one value cannot be that of a parameter, as far as its schema says so in a few words; empty: it can. The coordinator has the last word.
 * @param {Schema | undefined} schema
 * @param {unknown} value
 */
export function misfit(schema, value) {
  const types = schemaTypes(schema ?? {});
  const isNumeric = types.has('number') || types.has('integer');
  if (!isNumeric || [...types].some(t => t !== 'number' && t !== 'integer' && t !== 'null') || value === undefined || (value === null && types.has('null'))) return '';
  if (typeof value === 'number' && (types.has('number') || Number.isInteger(value))) return '';
  return `is ${parameter(value)}, expected ${types.has('number') ? 'a number' : 'a whole number'}${types.has('null') ? ' or none' : ''}`;
}

/** @param {Schema} schema */
function range(schema) {
  const least = schema.minimum ?? schema.exclusiveMinimum;
  const greatest = schema.maximum ?? schema.exclusiveMaximum;
  if (least === undefined && greatest === undefined) return '';
  return `${least === undefined ? '' : schema.minimum === undefined ? `Above ${least}` : `From ${least}`}${greatest === undefined ? '' : ` to ${schema.maximum === undefined ? 'below ' : ''}${greatest}`}.`.trim();
}

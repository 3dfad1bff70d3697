// Values as a sweep file has them in one line: 0.5, [1, 2], { default: 2, "features.0": 8 }.

/** A text that is no such value. */
export class FlowFault extends Error {}

/**
 * Reads a value. Commas outside brackets make a list.
 * @param {string} text
 * @param {boolean} [isOne] commas belong to the value: it is one text
 * @returns {unknown} undefined where nothing was written
 * @throws {FlowFault}
 */
export function readFlow(text, isOne = false) {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  if (isOne && !/^[[{"']/.test(trimmed)) return trimmed;
  const at = { text: trimmed, place: 0 };
  const values = [value(at, ',')];
  let isList = false;
  while (space(at) === ',') {
    isList = true;
    at.place++;
    // A comma at the end is where somebody goes on typing.
    if (space(at) !== '') values.push(value(at, ','));
  }
  if (space(at) !== '') throw new FlowFault(`has "${trimmed.slice(at.place, at.place + 10)}" after its end`);
  return isList ? values : values[0];
}

/** @typedef {{ text: string, place: number }} Reader */

/**
 * The next character that is no space; empty at the end.
 * @param {Reader} at
 */
function space(at) {
  while (/\s/.test(at.text[at.place] ?? '')) at.place++;
  return at.text[at.place] ?? '';
}

/**
 * @param {Reader} at
 * @param {string} ends characters that end a plain word
 * @returns {unknown}
 */
function value(at, ends) {
  const first = space(at);
  if (first === '[') return list(at);
  if (first === '{') return map(at);
  if (first === '"' || first === "'") return quoted(at);
  const from = at.place;
  while (at.place < at.text.length && !ends.includes(at.text[at.place] ?? '')) at.place++;
  return scalar(at.text.slice(from, at.place).trim());
}

/**
 * @param {Reader} at
 * @returns {unknown[]}
 */
function list(at) {
  const found = [];
  at.place++;
  while (space(at) !== ']') {
    if (space(at) === '') throw new FlowFault('has a "[" without its "]"');
    found.push(value(at, ',]'));
    if (space(at) === ',') at.place++;
    else if (space(at) !== ']') throw new FlowFault('has a "[" without its "]"');
  }
  at.place++;
  return found;
}

/**
 * @param {Reader} at
 * @returns {Record<string, unknown>}
 */
function map(at) {
  /** @type {Record<string, unknown>} */
  const found = {};
  at.place++;
  while (space(at) !== '}') {
    if (space(at) === '') throw new FlowFault('has a "{" without its "}"');
    const name = String(value(at, ':,}'));
    if (space(at) !== ':') throw new FlowFault(`has no ":" after "${name}"`);
    at.place++;
    found[name] = value(at, ',}');
    if (space(at) === ',') at.place++;
    else if (space(at) !== '}') throw new FlowFault('has a "{" without its "}"');
  }
  at.place++;
  return found;
}

/** @param {Reader} at */
function quoted(at) {
  const mark = at.text[at.place];
  let found = '';
  for (at.place++; at.text[at.place] !== mark; at.place++) {
    if (at.place >= at.text.length) throw new FlowFault(`has a ${mark} without a second one`);
    if (mark === '"' && at.text[at.place] === '\\') at.place++;
    found += at.text[at.place] ?? '';
  }
  at.place++;
  return found;
}

/** @param {string} word */
function scalar(word) {
  if (word === '') throw new FlowFault('has no value before a comma or a bracket');
  if (word === 'null' || word === '~') return null;
  if (word === 'true' || word === 'false') return word === 'true';
  return /^[-+]?(\d|\.\d)/.test(word) && Number.isFinite(Number(word)) ? Number(word) : word;
}

/**
 * A value, or a list of them, in one line; reading it gives the same value.
 * @param {unknown} of
 * @param {boolean} [isOne] it is one text where it is no list
 */
export const writeFlow = (of, isOne = false) => of === undefined ? '' : isOne && typeof of === 'string' && !/^[[{"']/.test(of.trim()) ? of : Array.isArray(of) && !isOne && of.length > 1 ? of.map(part).join(', ') : part(of);

/**
 * @param {unknown} of
 * @returns {string}
 */
function part(of) {
  if (Array.isArray(of)) return `[${of.map(part).join(', ')}]`;
  if (of !== null && typeof of === 'object') return `{ ${Object.entries(of).map(([name, v]) => `${part(name)}: ${part(v)}`).join(', ')} }`;
  if (typeof of !== 'string') return String(of);
  return /^[A-Za-z_][\w.*/ -]*$/.test(of) && !['null', 'true', 'false'].includes(of) && of === of.trim() ? of : JSON.stringify(of);
}

// Numbers, times and names as people read them; the same forms as in the report and in a terminal.

/** @import { ExecutionState, MetricDescriptor, MetricFormat, SweepState } from './types' */

const NONE = '–';

/**
 * @param {number} value
 * @param {number} digits
 */
const fixed = (value, digits) => value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

/**
 * Four significant digits, whole numbers in full.
 * @param {number | null | undefined} value
 * @returns {string}
 */
export function number(value) {
  if (value == null || !Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 1e12 && Number.isInteger(value)) return fixed(value, 0);
  if (size < 1e-4 || size >= 1e12) return value.toExponential(3).replace('e+', 'e');
  return fixed(value, Math.max(0, 3 - Math.floor(Math.log10(size))));
}

/**
 * A value in the form that its metric has.
 * @param {number | null | undefined} value
 * @param {MetricFormat | undefined} form
 * @returns {string}
 */
export function figure(value, form) {
  if (value == null || !Number.isFinite(value)) return NONE;
  if (form === 'bits' && value === 0) return 'float';
  switch (form) {
    case 'count': return value >= 1e10 ? fixed(value / 1e9, 1) + 'G' : value >= 1e7 ? fixed(value / 1e6, 1) + 'M' : fixed(value, 0);
    case 'percent': return fixed(value * 100, 2);
    case 'bytes': return fixed(value / 1024, value >= 1e7 ? 0 : 1);
    case 'seconds': return seconds(value);
    case 'ratio': return fixed(value, 3);
    case 'bits': return String(Math.round(value * 100) / 100);
    default: return number(value);
  }
}

/**
 * What a figure is multiplied by on an axis: percent and KiB are shown, fractions and bytes are kept.
 * @param {MetricFormat | undefined} form
 */
export const axisFactor = form => form === 'percent' ? 100 : form === 'bytes' ? 1 / 1024 : 1;

/**
 * Head of a metric's column.
 * @param {MetricDescriptor} metric
 */
export const head = metric => metric.unit ? `${metric.title} ${metric.unit}` : metric.title;

/**
 * Minutes and seconds, with hours or days where there are some.
 * @param {number} total
 */
export function clock(total) {
  const all = Math.round(Math.max(0, total));
  const days = Math.floor(all / 86400);
  if (days > 0) return `${days} d ${Math.floor(all % 86400 / 3600)} h`;
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  return all >= 3600 ? `${Math.floor(all / 3600)}:${two(Math.floor(all % 3600 / 60))}:${two(all % 60)}` : `${Math.floor(all / 60)}:${two(all % 60)}`;
}

/**
 * Seconds with the unit that fits.
 * @param {number | null | undefined} value
 */
export function seconds(value) {
  if (value == null || !Number.isFinite(value)) return NONE;
  if (value < 0.001) return fixed(value * 1e6, 1) + ' µs';
  if (value < 1) return fixed(value * 1e3, 1) + ' ms';
  return value < 60 ? fixed(value, 2) + ' s' : clock(value);
}

/**
 * Bytes with a unit.
 * @param {number | null | undefined} value
 */
export function bytes(value) {
  if (value == null) return NONE;
  if (value < 1024) return `${value} B`;
  if (value < 1024 ** 2) return fixed(value / 1024, 1) + ' KiB';
  return value < 1024 ** 3 ? fixed(value / 1024 ** 2, 1) + ' MiB' : fixed(value / 1024 ** 3, 1) + ' GiB';
}

/**
 * How long ago, in one unit.
 * @param {string} at
 * @param {number} now milliseconds
 */
export function ago(at, now) {
  const s = Math.max(0, (now - Date.parse(at)) / 1000);
  if (s < 60) return 'just now';
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
}

/**
 * A point in time on this machine's clock.
 * @param {string | null | undefined} at
 */
export const date = at => at ? new Date(at).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' }) : NONE;

/** @param {ExecutionState | SweepState | string} state */
export const stateWord = state => state === 'completed' ? 'done' : state;

/**
 * A parameter's value as a sweep file has it, and none in words.
 * @param {unknown} value
 * @returns {string}
 */
export function parameter(value) {
  if (value === null) return 'none';
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return `[${value.map(parameter).join(', ')}]`;
  if (value && typeof value === 'object') return `{${Object.entries(value).map(([k, v]) => `${k}: ${parameter(v)}`).join(', ')}}`;
  return String(value);
}

/**
 * A stage and what distinguishes it: prune multiplications=0.25.
 * @param {{ stage: string, parameters: Record<string, unknown>, varied?: readonly string[] | null }} execution
 */
export const label = execution =>
  [execution.stage, ...(execution.varied ?? []).filter(name => name in execution.parameters).map(name => `${name}=${parameter(execution.parameters[name])}`)].join(' ');

/** @param {string} sha256 */
export const digest = sha256 => sha256.slice(0, 12);

/** @param {string} text */
export const capital = text => text.slice(0, 1).toUpperCase() + text.slice(1);

/**
 * A count with its noun.
 * @param {number} n
 * @param {string} noun
 * @param {string} [plural]
 */
export const counted = (n, noun, plural) => `${fixed(n, 0)} ${n === 1 ? noun : plural ?? noun + 's'}`;

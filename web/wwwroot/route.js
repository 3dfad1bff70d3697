// Which page is shown: the part of the address after #, so that every page is one document for the coordinator.

import { signal } from './vendor/preact.js';

/** @typedef {{ parts: string[], query: URLSearchParams }} Route */

/** @returns {Route} */
function read() {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  return { parts: path.split('/').filter(part => part).map(decodeURIComponent), query: new URLSearchParams(query) };
}

export const route = signal(read());

/** Asks whether the present page may be left. @type {(() => boolean | Promise<boolean>) | null} */
let holds = null;

/**
 * Asks before another page is shown.
 * @param {() => boolean | Promise<boolean>} may false: the page stays
 * @returns {() => void} ends it
 */
export function hold(may) {
  holds = may;
  return () => {
    if (holds === may) holds = null;
  };
}

addEventListener('hashchange', async e => {
  // The page stays as it is while somebody is asked.
  if (holds && !await holds()) history.pushState(null, '', e.oldURL);
  else route.value = read();
});

/**
 * Address of a page.
 * @param {(string | number)[]} parts
 * @param {Record<string, string | number | null | undefined>} [query] empty values are left out
 */
export function to(parts, query = {}) {
  const words = new URLSearchParams(Object.entries(query).filter(([, v]) => v != null && v !== '').map(([k, v]) => [k, String(v)]));
  const text = words.toString();
  // With the path of the page itself: <base> leads to the folder of its version.
  return `${location.pathname}#/${parts.map(part => encodeURIComponent(part)).join('/')}${text ? `?${text}` : ''}`;
}

/**
 * Goes to a page.
 * @param {(string | number)[]} parts
 * @param {Record<string, string | number | null | undefined>} [query]
 */
export function go(parts, query) {
  location.href = to(parts, query);
}

/**
 * Changes the query of the present page, without a step in the history.
 * @param {Record<string, string | number | null | undefined>} changes
 */
export function setQuery(changes) {
  const query = { ...Object.fromEntries(route.value.query), ...changes };
  history.replaceState(null, '', to(route.value.parts, query));
  route.value = read();
}

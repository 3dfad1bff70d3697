// The coordinator's HTTP interface, docs/rest.md.

import { signal } from './vendor/preact.js';
import { ahead, paths } from './ahead.js';

/** @import { Problem, Session } from './types' */

// The page lies one level below the interface: /ui/ and /sweeps.
const root = new URL('../../', document.baseURI);

/** Who uses the page; null until it is known. @type {import('./vendor/preact.js').Signal<Session | null>} */
export const session = signal(/** @type {Session | null} */ (null));

/** True while the coordinator does not answer. */
export const isAway = signal(false);

/** An answer that is no success, in words for a person. */
export class Fault extends Error {
  /**
   * @param {number} status 0: no answer came
   * @param {string} message
   * @param {Problem[]} [problems]
   */
  constructor(status, message, problems = []) {
    super(message);
    this.status = status;
    this.problems = problems;
  }
}

/** True for what may go by itself: no answer came, or the coordinator is not ready. @param {Fault} fault */
export const isPassing = fault => fault.status === 0 || fault.status >= 500;

/**
 * Address of a route.
 * @param {string} path
 */
export const url = path => new URL(path.replace(/^\//, ''), root).href;

/**
 * @param {string} method
 * @param {string} path
 * @param {{ body?: unknown, headers?: Record<string, string>, signal?: AbortSignal }} [options]
 */
async function send(method, path, { body, headers = {}, signal: stop } = {}) {
  let answer;
  try {
    answer = (method === 'GET' && await ahead(path)) || await fetch(url(path), {
      method,
      headers: { Accept: 'application/json', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: stop,
      cache: 'no-store',
    });
  } catch (e) {
    if (stop?.aborted) throw e;
    isAway.value = true;
    throw new Fault(0, 'The coordinator does not answer. The page goes on as soon as it does.');
  }
  isAway.value = false;
  if (answer.ok || answer.status === 304) return answer;
  if (answer.status === 401 && session.value?.isOpen) session.value = { ...session.value, needsKey: true, isOpen: false };
  const text = await answer.text();
  let problem = /** @type {{ detail?: string, title?: string, problems?: Problem[] }} */ ({});
  try {
    problem = JSON.parse(text);
  } catch {
    // An answer of a proxy is no JSON.
  }
  throw new Fault(answer.status, problem.detail ?? problem.title ?? `The coordinator answered ${answer.status}.`, problem.problems);
}

/** @param {Response} answer */
async function content(answer) {
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

/**
 * @param {string} path
 * @param {AbortSignal} [stop]
 */
export const get = async (path, stop) => content(await send('GET', path, { signal: stop }));

/**
 * @param {string} path
 * @param {unknown} [body]
 * @param {Record<string, string>} [headers]
 * @param {AbortSignal} [stop]
 */
export const post = async (path, body, headers, stop) => content(await send('POST', path, { body, headers, signal: stop }));

/**
 * Takes away the answer to a body as a file.
 * @param {string} path
 * @param {unknown} body
 * @param {string} name of the file
 */
export async function takeAway(path, body, name) {
  const answer = await send('POST', path, { body });
  const href = URL.createObjectURL(await answer.blob());
  Object.assign(document.createElement('a'), { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
}

/** @param {string} path */
export const put = async path => content(await send('PUT', path));

/** @param {string} path */
export const remove = async path => content(await send('DELETE', path));

/**
 * Reads what changes: undefined where it is what the caller has, which the coordinator tells by its ETag.
 * @param {string} path
 * @param {{ tag?: string }} known keeps the ETag
 * @param {AbortSignal} [stop]
 */
export async function getChanged(path, known, stop) {
  const answer = await send('GET', path, { headers: known.tag ? { 'If-None-Match': known.tag } : {}, signal: stop });
  if (answer.status === 304) return undefined;
  known.tag = answer.headers.get('ETag') ?? undefined;
  return content(answer);
}

/** Asks who uses the page. */
export async function readSession() {
  session.value = await get(paths.session);
}

/** @param {string} key */
export async function open(key) {
  session.value = await post(paths.session, { key });
}

export async function close() {
  await remove(paths.session);
  await readSession();
}

/**
 * True where the user may do that: read, submit or admin.
 * @param {'read' | 'submit' | 'admin'} scope
 */
export function may(scope) {
  const order = ['read', 'submit', 'admin'];
  return order.indexOf(session.value?.scope ?? 'read') >= order.indexOf(scope);
}

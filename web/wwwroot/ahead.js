// Asks for what the first page needs while its scripts are still on their way: they come in steps, each of which would wait for the one before.

// The page lies one level below the interface: /ui/ and /sweeps.
const root = new URL('../../', document.baseURI);

const listed = 50;

/** Addresses that a page asks for first, and the part of the page that shows the answer. */
export const paths = {
  session: '/session',
  stages: '/stages',
  /** @param {string} search @param {string} state */
  sweeps: (search, state) => `/sweeps?${words({ limit: listed, search, state })}`,
  /** @param {string} reference @param {number} limit executions that come with it */
  sweep: (reference, limit) => `/sweeps/${encodeURIComponent(reference)}?limit=${limit}`,
  /** @param {string} id @param {number | null} parent null: the first level @param {number} limit */
  tree: (id, parent, limit) => `/sweeps/${encodeURIComponent(id)}/tree?${words({ parent, limit })}`,
  /** @param {string} id @param {number | null} after @param {string} state @param {string} stage */
  executions: (id, after, state, stage) => `/sweeps/${encodeURIComponent(id)}/executions?${words({ limit: listed, after, state, stage })}`,
  /** @param {string} id @param {number | null} after null: the first rows, which are few so that they are there soon */
  table: (id, after) => `/sweeps/${encodeURIComponent(id)}/table?${words({ limit: after === null ? 100 : 1000, after })}`,
};

/** Executions that come with a sweep before its size is known. */
export const few = listed;

/** Boxes of a level of a large flow. */
export const level = 30;

/** Scripts by page, each with what they import in turn. @type {Record<string, string[]>} */
export const scripts = {
  sweeps: ['pages/sweeps.js'],
  sweep: ['pages/sweep.js', 'sweep/curves.js', 'sweep/executions.js', 'sweep/flow.js', 'sweep/results.js', 'sweep/source.js', 'sweep/plots.js', 'sweep/table.js', 'sweep/trials.js', 'charts/chart.js', 'charts/pareto.js'],
  execution: ['pages/execution.js', 'form/parameter.js', 'charts/panel.js', 'charts/chart.js', 'sweep/curves.js', 'form/flow.js'],
  compare: ['pages/compare.js', 'charts/panel.js', 'charts/chart.js'],
  new: ['pages/new.js', 'form/editor.js', 'form/flow.js', 'form/form.js', 'form/parameter.js'],
  workers: ['pages/workers.js'],
  store: ['pages/store.js'],
};

/** @param {Record<string, string | number | null>} query empty values are left out */
const words = query => new URLSearchParams(Object.entries(query).filter(([, v]) => v !== null && v !== '').map(([k, v]) => [k, String(v)]));

/** The page that an address names. @param {string[]} parts */
export function pageOf([first = 'sweeps', id, kind, index]) {
  if (first === 'sweeps' && id) return kind === 'executions' && index ? 'execution' : 'sweep';
  return (first === 'sweeps' || Object.hasOwn(scripts, first)) && first !== 'sweep' && first !== 'execution' ? first : 'unknown';
}

/** @type {Map<string, Promise<Response | null>>} */
const early = new Map();

/** The answer to a request that was made ahead; undefined where there is none. Each is given once. @param {string} path */
export function ahead(path) {
  const answer = early.get(path);
  early.delete(path);
  return answer;
}

/** @param {string} path */
const ask = path => early.set(path, fetch(new URL(path.slice(1), root), { headers: { Accept: 'application/json' }, cache: 'no-store' }).then(answer => answer.ok ? answer : null, () => null));

{
  const [path = '', text = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const parts = path.split('/').filter(part => part).map(decodeURIComponent);
  const query = new URLSearchParams(text);
  const of = (/** @type {string} */ name) => query.get(name) ?? '';
  const page = pageOf(parts);
  ask(paths.session);
  const [, id = '', part = 'flow'] = parts;
  if (page === 'sweeps') ask(paths.sweeps(of('search'), of('state')));
  if (page === 'sweep') {
    ask(paths.sweep(id, few));
    if (part === 'flow') {
      ask(paths.stages);
      ask(paths.tree(id, null, level));
    }
    if (part === 'executions') ask(paths.executions(id, null, of('state'), of('stage')));
    if (part === 'results') ask(paths.table(id, null));
  }
  for (const name of scripts[page] ?? []) document.head.append(Object.assign(document.createElement('link'), { rel: 'modulepreload', href: name }));
  // What nobody wanted is let go.
  setTimeout(() => early.clear(), 10000);
}

// The page: its frame, and the part that the address names.

import { Fragment, html, render, useEffect, useId, useRef, useState } from './vendor/preact.js';
import { pageOf } from './ahead.js';
import { Fault, close, isAway, may, open, readSession, session } from './api.js';
import { route, to } from './route.js';
import { theme } from './theme.js';
import { FaultNote, Guard, Loading, Messages, Questions, useTitle } from './ui.js';

/** @import { Theme } from './theme.js' */

/** Pages by the first part of the address. Each is loaded when it is first shown. @type {Record<string, () => Promise<any>>} */
const pages = {
  sweeps: () => import('./pages/sweeps.js'),
  sweep: () => import('./pages/sweep.js'),
  execution: () => import('./pages/execution.js'),
  compare: () => import('./pages/compare.js'),
  new: () => import('./pages/new.js'),
  workers: () => import('./pages/workers.js'),
  store: () => import('./pages/store.js'),
};

/** @param {{ name: string }} props */
function Page({ name }) {
  const [loaded, set] = useState(/** @type {{ name: string, Part: any } | null} */ (null));
  const [isMissing, setMissing] = useState(false);
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    let isCurrent = true;
    const load = pages[name];
    setMissing(false);
    load?.().then(module => isCurrent && set({ name, Part: module.default }), async () => {
      // Who cannot be asked now is asked until there is an answer.
      await readSession().catch(() => {});
      if (isCurrent) setMissing(true);
    });
    return () => {
      isCurrent = false;
    };
  }, [name]);
  // A part that did not come while the coordinator was away, or of which it has a newer one than this document. A browser need not ask for it twice.
  const isDue = isMissing && !isAway.value;
  useEffect(() => {
    if (!isDue || sessionStorage.getItem('lathe.reloaded')) return;
    sessionStorage.setItem('lathe.reloaded', '1');
    location.reload();
  }, [isDue]);
  // Who uses the keyboard or a screen reader goes on at the top of the new page.
  const place = route.value.parts.slice(0, 4).join('/');
  const first = useRef(place);
  useEffect(() => {
    if (first.current === place) return;
    first.current = place;
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [place]);
  if (name === unknown) return html`<main id="main" tabindex="-1" ref=${main}><${NoPage} /></main>`;
  return html`<main id="main" tabindex="-1" ref=${main}>${loaded?.name === name ? html`<${loaded.Part} parts=${route.value.parts} query=${route.value.query} />` : html`<${Loading} />`}</main>`;
}

const unknown = 'unknown';

function NoPage() {
  useTitle('No such page');
  return html`<h1>No such page</h1><p>There is no page <code>${location.hash}</code>. <a href=${to([])}>To the sweeps</a></p>`;
}

function Login() {
  const id = useId();
  const [key, set] = useState('');
  const [fault, setFault] = useState(/** @type {Fault | undefined} */ (undefined));
  const send = async (/** @type {Event} */ e) => {
    e.preventDefault();
    try {
      await open(key.trim());
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      setFault(error);
    }
  };
  return html`<main id="main" class="login"><form class="card" onSubmit=${send}><h1>Lathe</h1>
    <p>This coordinator needs an API key. <code>lathe keys create NAME --scope submit</code> makes one where its database can be reached.</p>
    <${FaultNote} fault=${fault} />
    <label for=${id}>API key</label><input id=${id} type="password" autocomplete="current-password" required value=${key} onInput=${(/** @type {any} */ e) => set(e.target.value)} />
    <p class="soft">The browser keeps a session of twelve hours, not the key.</p>
    <button class="main">Log in</button></form></main>`;
}

const places = [
  { name: 'sweeps', title: 'Sweeps' },
  { name: 'compare', title: 'Compare' },
  { name: 'workers', title: 'Workers' },
  { name: 'store', title: 'Store' },
];

function Frame() {
  const page = pageOf(route.value.parts);
  const who = session.value;
  // Where no part of the page asks again by itself, this does.
  const away = isAway.value;
  useEffect(() => {
    if (!away) return;
    const timer = setInterval(() => document.hidden || readSession().catch(() => {}), 2000);
    return () => clearInterval(timer);
  }, [away]);
  const current = page === 'sweep' || page === 'execution' ? 'sweeps' : page;
  return html`<${Fragment}>
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ e) => { e.preventDefault(); document.getElementById('main')?.focus(); }}>Skip to content</a>
    <header class="top"><a class="brand" href=${to([])}><img src="icon.svg" alt="" width="24" height="24" />Lathe</a>
      <nav aria-label="Main">${places.map(p => html`<a key=${p.name} href=${to(p.name === 'sweeps' ? [] : [p.name])} aria-current=${current === p.name ? 'page' : undefined}>${p.title}</a>`)}</nav>
      <div class="row">
        ${may('submit') && html`<a class="button main" href=${to(['new'])} aria-current=${page === 'new' ? 'page' : undefined}>New sweep</a>`}
        <label class="theme"><span class="unseen">Colours</span><select value=${theme.value} onChange=${(/** @type {any} */ e) => { theme.value = /** @type {Theme} */ (e.target.value); }}>
          <option value="auto">System</option><option value="light">Light</option><option value="dark">Dark</option></select></label>
        ${who?.needsKey && who.isOpen && html`<button type="button" onClick=${close} title=${`Key ${who.name}, scope ${who.scope}`}>Log out</button>`}
      </div></header>
    ${isAway.value && html`<p class="away" role="status">The coordinator does not answer; what you see may be old. The page goes on by itself.</p>`}
    <${Guard} key=${page}><${Page} name=${page} /></${Guard}><${Messages} /><${Questions} /></${Fragment}>`;
}

function App() {
  const [fault, set] = useState(/** @type {Fault | null} */ (null));
  useEffect(() => {
    const ask = () => readSession().then(() => set(null), e => {
      set(e);
      setTimeout(ask, 2000);
    });
    ask();
  }, []);
  const who = session.value;
  if (!who) return html`<main id="main"><h1>Lathe</h1>${fault ? html`<${FaultNote} fault=${fault} />` : html`<${Loading} />`}</main>`;
  return who.isOpen ? html`<${Frame} />` : html`<${Login} />`;
}

// The first page comes while the coordinator says who is there.
pages[pageOf(route.value.parts)]?.().catch(() => {});

const root = document.getElementById('app');
if (root) render(html`<${App} />`, root);
// What was loaded is whole: the next time that a part is missing, the page may load itself again.
setTimeout(() => sessionStorage.removeItem('lathe.reloaded'), 10000);

// Small parts of every page.

import { Component, effect, html, signal, useCallback, useEffect, useId, useLayoutEffect, useRef, useState } from './vendor/preact.js';
import { Fault, isAway } from './api.js';
import { ago, counted, date, stateWord } from './format.js';
import { useNow } from './live.js';
import { route, to } from './route.js';

/** @import { Counts, ExecutionState, SweepState } from './types' */

/** Execution states in the order in which bars and legends have them. @type {ExecutionState[]} */
export const states = ['completed', 'cached', 'running', 'queued', 'ready', 'paused', 'waiting', 'failed', 'cancelled', 'skipped'];

/** True while something may still happen to a sweep. @param {SweepState | undefined} state */
export const goesOn = state => state === 'preparing' || state === 'running' || state === 'paused';

/** @type {Record<string, string>} shapes on a square of 16, so that no state is told by its colour alone */
const shapes = {
  completed: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM4.6 8.3l1.2-1.2 1.6 1.6 3-3.2 1.2 1.1-4.2 4.5z',
  cached: 'M8 .8 15.2 8 8 15.2.8 8zM5.2 8.2l1-1 1.2 1.2 2.3-2.5 1.1 1-3.4 3.6z',
  running: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM6.2 4.8 11.5 8l-5.3 3.2z',
  queued: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm0 1.6a4.9 4.9 0 1 1 0 9.8 4.9 4.9 0 0 1 0-9.8zM7.2 4.8h1.6v3l2 2-1.1 1.1-2.5-2.5z',
  ready: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm0 1.6a4.9 4.9 0 1 1 0 9.8 4.9 4.9 0 0 1 0-9.8z',
  waiting: 'M3 6.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3zm5 0a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3zm5 0a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3z',
  failed: 'M5 1.5h6L14.5 5v6L11 14.500H5L1.5 11V5zM5 6.1 6.1 5 8 6.9 9.9 5 11 6.1 9.1 8 11 9.9 9.9 11 8 9.1 6.1 11 5 9.9 6.9 8z',
  cancelled: 'M8 1.500a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm0 1.600a4.9 4.9 0 1 1 0 9.8 4.9 4.9 0 0 1 0-9.800zM4.2 11 11 4.200l1 1L5.2 12z',
  skipped: 'M2 7h12v2H2z',
  paused: 'M3.5 2.500h3v11h-3zm6 0h3v11h-3z',
};
shapes.succeeded = shapes.completed ?? '';
shapes.preparing = shapes.queued ?? '';
shapes.interrupted = shapes.skipped ?? '';

/**
 * A state as shape and colour, with its word beside it or for a screen reader.
 * @param {{ state: ExecutionState | SweepState, hasWord?: boolean, word?: string }} props word: where another one says more
 */
export const State = ({ state, hasWord = true, word = stateWord(state) }) => html`<span class="state s-${state}">
  <svg viewBox="0 0 16 16" aria-hidden="true"><path d=${shapes[state]} fill-rule="evenodd" /></svg>
  <span class=${hasWord ? '' : 'unseen'}>${word}</span></span>`;

/**
 * How many executions are in each state, as a bar.
 * @param {{ counts: Counts, label?: string }} props
 */
export function StateBar({ counts, label = '' }) {
  const all = states.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  const words = states.filter(state => counts[state]).map(state => `${counts[state]} ${stateWord(state)}`).join(', ');
  return html`<div class="bar" role="img" aria-label=${`${label ? `${label}: ` : ''}${words || 'nothing'} of ${all}`} title=${words}>
    ${states.filter(state => counts[state]).map(state => html`<i key=${state} class="s-${state}" style=${{ flexGrow: counts[state] }} />`)}</div>`;
}

/**
 * The counts of a bar in words, with their shapes.
 * @param {{ counts: Counts }} props
 */
export const StateCounts = ({ counts }) => html`<ul class="counts">${states.filter(state => counts[state]).map(state =>
  html`<li key=${state} title=${stateWord(state)}><${State} state=${state} hasWord=${false} /> ${(counts[state] ?? 0).toLocaleString('en-US')}</li>`)}</ul>`;

/** @param {{ value: number, all: number, label: string }} props a part of a whole */
export const Progress = ({ value, all, label }) => html`<progress max=${all || 1} value=${value} aria-label=${label} />`;

/** @param {{ at: string }} props a time as its age */
export function Ago({ at }) {
  const now = useNow(20000);
  return html`<time datetime=${at} title=${date(at)}>${ago(at, now)}</time>`;
}

/** @param {{ fault: Fault | undefined }} props what went wrong, for a person. That the coordinator is away stands once, at the top of the page */
export const FaultNote = ({ fault }) => fault && !(fault.status === 0 && isAway.value) && html`<div class="note bad" role="alert"><p>${fault.message}</p>
  ${fault.problems.length > 1 && html`<ul>${fault.problems.map(p => html`<li>${p.path && html`<code>${p.path}</code> `}${p.message}</li>`)}</ul>`}</div>`;

/** @param {{ what?: string }} props */
export const Loading = ({ what = 'Loading' }) => html`<p class="soft loading" role="status">${isAway.value ? 'Not known until the coordinator answers.' : `${what} …`}</p>`;

/** @param {{ fault: Fault | undefined, what?: string }} props what stands in the place of an answer that is not there yet */
export const Pending = ({ fault, what }) => fault && fault.status !== 0 ? html`<${FaultNote} fault=${fault} />` : html`<${Loading} what=${what} />`;

/** Why a worker that has an execution does not compute yet, in the words of the interface. @type {ReadonlySet<string | undefined>} */
const resting = new Set(['waiting for CPU', 'waiting for another sweep']);

/**
 * The phase of an execution that runs by name but does not compute yet.
 * @param {{ state: string, progress?: { phase: string } | null }} execution
 */
export const restOf = execution => execution.state === 'running' && resting.has(execution.progress?.phase) ? execution.progress?.phase : undefined;

/**
 * A sweep that runs by name while nothing of it computes, in words; undefined where something does.
 * @param {{ state: string, running: number, ready: number, queued: number, resting: number, phase?: string }} sweep phase: what one of those that rest waits for
 */
export const idleOf = ({ state, running, ready, queued, resting, phase = 'waits for its turn' }) => state !== 'running' || running > resting ? undefined
  : resting > 0 ? `running, ${phase}` : ready + queued > 0 ? 'running, waits for workers' : undefined;

/**
 * Links between the parts of a page.
 * @param {{ label: string, items: { name: string, title: string, count?: number }[], current: string, at: (name: string) => string }} props
 */
export const Tabs = ({ label, items, current, at }) => html`<nav class="tabs" aria-label=${label}>${items.map(item =>
  html`<a key=${item.name} href=${at(item.name)} aria-current=${item.name === current ? 'page' : undefined}>${item.title}${item.count !== undefined && html` <small>${item.count.toLocaleString('en-US')}</small>`}</a>`)}</nav>`;

/** @param {{ items: { title: string, href?: string }[] }} props the way to this page */
export const Crumbs = ({ items }) => html`<nav class="crumbs" aria-label="Breadcrumb"><ol>${items.map((item, i) =>
  html`<li key=${i}>${item.href ? html`<a href=${item.href}>${item.title}</a>` : html`<span aria-current="page">${item.title}</span>`}</li>`)}</ol></nav>`;

/**
 * Sets the title of the document; a screen reader hears of the new page.
 * @param {string} title
 */
export function useTitle(title) {
  useEffect(() => {
    document.title = title ? `${title} · Lathe` : 'Lathe';
  }, [title]);
}

/** @param {{ text: string, label?: string }} props a text to take away, a digest for example */
export function Copy({ text, label = 'Copy' }) {
  const [isDone, set] = useState(false);
  const copy = async () => {
    await navigator.clipboard?.writeText(text);
    set(true);
    setTimeout(() => set(false), 2000);
  };
  return html`<button class="small quiet" type="button" onClick=${copy}>${isDone ? 'Copied' : label}</button>`;
}

/**
 * A name and its value, many times.
 * @param {{ items: [string, unknown][] }} props empty values are left out
 */
export const Facts = ({ items }) => html`<dl class="facts">${items.filter(([, v]) => v != null && v !== '' && v !== false).map(([name, value]) =>
  html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

/**
 * Something that is made when it is unfolded: a chart cannot be drawn where it has no room.
 * @param {{ title: any, isOpen?: boolean, children: any }} props
 */
export function Fold({ title, isOpen = false, children }) {
  const [isShown, show] = useState(isOpen);
  return html`<details open=${isShown} onToggle=${(/** @type {any} */ e) => show(e.target.open)}><summary>${title}</summary>${isShown && children}</details>`;
}

// Messages and questions

/** @typedef {{ id: number, text: string, isBad: boolean, isAway: boolean }} Message */
const messages = signal(/** @type {Message[]} */ ([]));
let nextMessage = 1;

/**
 * Says what happened, for some seconds; what went wrong stays until it is read. The same sentence stands once.
 * @param {string} text
 * @param {boolean} [isBad]
 * @param {boolean} [whileAway] it is true only until the coordinator answers again
 */
export function say(text, isBad = false, whileAway = false) {
  const message = { id: nextMessage++, text, isBad, isAway: whileAway };
  messages.value = [...messages.value.filter(m => m.text !== text).slice(-3), message];
  if (!isBad) setTimeout(() => forget(message.id), 6000);
}

/**
 * Says what went wrong with an order.
 * @param {unknown} error
 */
export function sayFault(error) {
  const wasAway = error instanceof Fault && error.status === 0;
  say(wasAway ? 'That was not done: the coordinator does not answer.' : error instanceof Error ? error.message : String(error), true, wasAway);
}

effect(() => {
  if (!isAway.value) messages.value = messages.peek().filter(m => !m.isAway);
});

// What went wrong on a page is not of interest on the next one, whose content it would cover.
let place = route.peek().parts.join('/');
effect(() => {
  const now = route.value.parts.join('/');
  if (now === place) return;
  place = now;
  messages.value = messages.peek().filter(m => !m.isBad);
});

/** @param {number} id */
const forget = id => {
  messages.value = messages.value.filter(m => m.id !== id);
};

export const Messages = () => html`<div class="messages" role="status" aria-live="polite">${messages.value.map(m =>
  html`<div key=${m.id} class=${m.isBad ? 'message bad' : 'message'}><span>${m.text}</span>
    <button class="quiet small" type="button" aria-label="Close message" onClick=${() => forget(m.id)}>✕</button></div>`)}</div>`;

/** @typedef {{ title: string, text: string, yes: string, no?: string, isBad?: boolean, body?: any, answer: (isYes: boolean) => void }} Question */
const question = signal(/** @type {Question | null} */ (null));

/**
 * Asks once before something is done that cannot be undone.
 * @param {Omit<Question, 'answer'>} asked
 * @returns {Promise<boolean>}
 */
export const ask = asked => new Promise(answer => {
  question.value = { ...asked, answer };
});

export function Questions() {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  const asked = question.value;
  useLayoutEffect(() => {
    if (asked) dialog.current?.showModal();
  }, [asked]);
  if (!asked) return null;
  const end = (/** @type {boolean} */ isYes) => {
    dialog.current?.close();
    question.value = null;
    asked.answer(isYes);
  };
  return html`<dialog ref=${dialog} aria-labelledby=${id} onCancel=${() => end(false)}>
    <h2 id=${id}>${asked.title}</h2><p>${asked.text}</p>${asked.body}
    <div class="row end"><button type="button" onClick=${() => end(false)}>${asked.no ?? 'Keep as it is'}</button>
    <button type="button" class=${asked.isBad ? 'main bad' : 'main'} onClick=${() => end(true)}>${asked.yes}</button></div></dialog>`;
}

/**
 * Does something for the user and says how it went.
 * @param {() => Promise<unknown>} work
 * @param {string | ((answer: any) => string)} done
 * @returns {Promise<boolean>} true where it was done
 */
export async function act(work, done) {
  try {
    const answer = await work();
    say(typeof done === 'string' ? done : done(answer));
    return true;
  } catch (e) {
    if (!(e instanceof Fault)) throw e;
    sayFault(e);
    return false;
  }
}

/** What an order changed and what else is needed, in words. @param {string} verb */
export const moved = verb => (/** @type {{ executions?: number, notes?: string[] } | null} */ answer) =>
  [answer?.executions == null ? `${verb}.` : `${verb}: ${counted(answer.executions, 'execution')}.`, ...(answer?.notes ?? []).map(note => `${note}.`)].join(' ');

// Focus

/**
 * Keeps the focus in a toolbar: where the control that had it goes, or cannot be used for a while, the one that took its place gets it.
 * @returns {{ box: { current: HTMLDivElement | null }, take: () => void }} box: the toolbar; take: gives it the focus with the next change
 */
export function useKeptFocus() {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const last = useRef(/** @type {{ control: HTMLElement, at: number } | null} */ (null));
  const isTaken = useRef(false);
  useLayoutEffect(() => {
    const own = box.current;
    if (!own) return;
    const come = (/** @type {FocusEvent} */ e) => {
      const control = /** @type {HTMLElement} */ (e.target);
      if (control !== own) last.current = { control, at: controlsOf(own).indexOf(control) };
    };
    const leave = (/** @type {FocusEvent} */ e) => {
      const control = /** @type {HTMLElement} */ (e.target);
      // Who went somewhere else stays there. What is taken away or switched off loses the focus, too, and nobody went.
      setTimeout(() => {
        if (document.hasFocus() && control.isConnected && !control.matches(':disabled') && document.activeElement !== control && last.current?.control === control) last.current = null;
      });
    };
    own.addEventListener('focusin', come);
    own.addEventListener('focusout', leave);
    return () => {
      own.removeEventListener('focusin', come);
      own.removeEventListener('focusout', leave);
    };
  }, []);
  useLayoutEffect(() => {
    const own = box.current;
    const had = last.current;
    const isLost = document.activeElement === null || document.activeElement === document.body;
    const isWanted = isTaken.current;
    isTaken.current = false;
    if (!own || !isLost || !(had || isWanted)) return;
    const all = controlsOf(own);
    const there = had && all.includes(had.control) ? had.control : all[Math.min(had?.at ?? 0, all.length - 1)];
    // Nobody should come upon an order that destroys something by pressing the same key again.
    (there === had?.control ? there : there?.matches('.bad') ? all.find(c => !c.matches('.bad')) : there)?.focus();
    if (all.length === 0 && own.tabIndex === -1) own.focus();
  });
  return { box, take: useCallback(() => { isTaken.current = true; }, []) };
}

/** @param {HTMLElement} box */
const controlsOf = box => /** @type {HTMLElement[]} */ ([...box.querySelectorAll('button, a[href], select')].filter(c => !c.matches(':disabled')));

// Long lists

/**
 * Rows of which only those in sight are in the document. Every row is as high as the others.
 * @param {number} count
 * @param {number} rowHeight pixels
 */
export function useWindow(count, rowHeight) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [view, set] = useState({ top: 0, height: 600 });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const look = () => set(old => old.top === element.scrollTop && old.height === element.clientHeight ? old : { top: element.scrollTop, height: element.clientHeight });
    look();
    const watch = new ResizeObserver(look);
    watch.observe(element);
    element.addEventListener('scroll', look, { passive: true });
    return () => {
      watch.disconnect();
      element.removeEventListener('scroll', look);
    };
  }, []);
  const first = Math.max(0, Math.min(count, Math.floor(view.top / rowHeight) - 10));
  const last = Math.min(count, Math.ceil((view.top + view.height) / rowHeight) + 10);
  return { box, first, last, before: first * rowHeight, after: (count - last) * rowHeight };
}

/** What stays of a page on which something broke. */
export class Guard extends Component {
  /** @param {{ children: any }} props */
  constructor(props) {
    super(props);
    /** @type {{ error: Error | null }} */
    this.state = { error: null };
  }

  /** @param {Error} error */
  static getDerivedStateFromError(error) {
    return { error };
  }

  render() {
    const { error } = /** @type {{ error: Error | null }} */ (this.state);
    const { children } = /** @type {{ children: any }} */ (this.props);
    if (!error) return children;
    console.error(error);
    return html`<main id="main" tabindex="-1"><div class="note bad" role="alert"><h1>This page broke</h1><p>${error.message}</p>
      <p><a href=${to(route.value.parts)} onClick=${() => location.reload()}>Load it again</a></p></div></main>`;
  }
}

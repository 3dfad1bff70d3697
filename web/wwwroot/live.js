// What keeps the page up to date: polling that stops while nobody looks, and the event stream of a sweep.

import { signal, useCallback, useEffect, useRef, useState } from './vendor/preact.js';
import { Fault, getChanged, isPassing, url } from './api.js';

/** @import { StageProgress } from './types' */

/**
 * An answer that is read again and again. A hidden page reads nothing. What a failed reading showed before stays.
 * @template T
 * @param {string | null} path null: nothing is read
 * @param {number} every milliseconds between an answer and the next request; 0: once
 * @returns {{ data: T | undefined, fault: Fault | undefined, again: () => void }}
 */
export function usePolled(path, every) {
  const [state, set] = useState(/** @type {{ path: string | null, data?: T, fault?: Fault }} */ ({ path }));
  const wake = useRef(() => {});
  const rest = useRef(every);
  rest.current = every;
  useEffect(() => {
    if (path === null) return;
    const stop = new AbortController();
    const known = {};
    let timer = 0;
    let isReading = false;
    let isWanted = false;
    const read = async () => {
      clearTimeout(timer);
      if (isReading) {
        isWanted = true;
        return;
      }
      isReading = true;
      isWanted = false;
      let pause = rest.current;
      try {
        const data = await getChanged(path, known, stop.signal);
        if (stop.signal.aborted) return;
        set(old => data === undefined ? (old.fault ? { ...old, fault: undefined } : old) : { path, data });
      } catch (e) {
        if (stop.signal.aborted) return;
        if (!(e instanceof Fault)) throw e;
        set(old => old.path === path ? { ...old, fault: e } : { path, fault: e });
        // It may be there again soon, also where it is read once.
        pause = isPassing(e) ? 2000 : 0;
      } finally {
        isReading = false;
      }
      if (isWanted) read();
      else if (pause > 0) timer = setTimeout(() => document.hidden || read(), pause);
    };
    const shown = () => document.hidden || read();
    wake.current = read;
    document.addEventListener('visibilitychange', shown);
    read();
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', shown);
    };
  }, [path]);
  // Who becomes live again, or wants to know sooner, does not wait for the end of the old rest.
  const before = useRef(every);
  useEffect(() => {
    if (every > 0 && (before.current === 0 || every < before.current)) wake.current();
    before.current = every;
  }, [every]);
  const again = useCallback(() => wake.current(), []);
  const isCurrent = state.path === path;
  return { data: isCurrent ? state.data : undefined, fault: isCurrent ? state.fault : undefined, again };
}

// What an open stream may not tell is asked for this often.
const seldom = 20000;

/** What a sweep's event stream says; one for all parts of the page that follow it. */
class Stream {
  /** @type {Set<() => void>} */
  listeners = new Set();
  /** True while it is connected. */
  isOpen = signal(false);
  /** How far executions are, by their index. @type {import('./vendor/preact.js').Signal<ReadonlyMap<number, StageProgress>>} */
  progress = signal(new Map());
  /** @type {EventSource | null} */
  #source = null;
  #timer = 0;

  /** @param {string} id */
  constructor(id) {
    this.id = id;
  }

  /** Connects, or ends the connection: a hidden page holds none, as browsers allow six of them to one server. */
  #follow = () => {
    clearTimeout(this.#timer);
    if (document.hidden || this.listeners.size === 0) {
      this.#source?.close();
      this.#source = null;
      this.isOpen.value = false;
    } else if (!this.#source) {
      const source = this.#source = new EventSource(url(`/sweeps/${this.id}/events?since=-1&progress=true`));
      // Something may have happened before.
      source.addEventListener('open', () => {
        this.isOpen.value = true;
        this.#tell();
      });
      source.addEventListener('sweep', this.#tell);
      source.addEventListener('executions', this.#tell);
      source.addEventListener('progress', e => {
        const { executions } = /** @type {{ executions: { index: number, progress: StageProgress }[] }} */ (JSON.parse(e.data));
        this.progress.value = new Map([...this.progress.peek(), ...executions.map(x => /** @type {[number, StageProgress]} */ ([x.index, x.progress]))].slice(-200));
      });
      source.addEventListener('error', () => {
        this.isOpen.value = false;
        // The browser comes back by itself, unless it was refused.
        if (source.readyState !== EventSource.CLOSED) return;
        this.#source = null;
        this.#timer = setTimeout(this.#follow, seldom);
      });
    }
  };

  #tell = () => {
    for (const listener of this.listeners) listener();
  };

  /** @param {() => void} listener @returns {() => void} ends it */
  listen(listener) {
    this.listeners.add(listener);
    if (this.listeners.size === 1) document.addEventListener('visibilitychange', this.#follow);
    this.#follow();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size > 0) return;
      document.removeEventListener('visibilitychange', this.#follow);
      this.#follow();
      if (streams.get(this.id) === this) streams.delete(this.id);
    };
  }
}

/** Streams by the id of their sweep. @type {Map<string, Stream>} */
const streams = new Map();

/**
 * Calls back when something happened to a sweep, at once and then at most once in a while: ten thousand executions may move in a minute.
 * @param {string | null} id null: no sweep
 * @param {() => void} happened
 * @param {number} least milliseconds between two calls
 */
function useEvents(id, happened, least) {
  const call = useRef(happened);
  call.current = happened;
  const [stream, set] = useState(/** @type {Stream | null} */ (null));
  useEffect(() => {
    if (id === null) return;
    let timer = 0;
    let last = 0;
    const own = streams.get(id) ?? new Stream(id);
    streams.set(id, own);
    const end = own.listen(() => {
      timer ||= setTimeout(() => {
        timer = 0;
        last = Date.now();
        call.current();
      }, Math.max(100, last + least - Date.now()));
    });
    set(own);
    return () => {
      clearTimeout(timer);
      end();
      set(null);
    };
  }, [id, least]);
  return stream;
}

/**
 * An answer about a sweep, read again when something happened to the sweep. While its stream is not connected, it is read every so often.
 * @template T
 * @param {string | null} path null: nothing is read
 * @param {string | null} sweep its id; null: not known yet
 * @param {number} every milliseconds between two readings without the stream
 * @param {number} least milliseconds between two that the stream asks for
 * @returns {{ data: T | undefined, fault: Fault | undefined, again: () => void }}
 */
export function useFollowed(path, sweep, every, least) {
  const [isFollowed, set] = useState(false);
  const read = usePolled(path, isFollowed ? Math.max(seldom, every) : every);
  const stream = useEvents(path === null ? null : sweep, read.again, least);
  const isOpen = stream?.isOpen.value ?? false;
  if (isOpen !== isFollowed) set(isOpen);
  return read;
}

/**
 * How far an execution is: what the stream says, where it said something.
 * @param {string} sweep its id
 * @param {{ index: number, state: string, progress?: StageProgress | null }} execution
 * @returns {StageProgress | null | undefined}
 */
export const progressOf = (sweep, execution) => (execution.state === 'running' ? streams.get(sweep)?.progress.value.get(execution.index) : null) ?? execution.progress;

/**
 * The time, moving on so that "2 min ago" stays true.
 * @param {number} every milliseconds
 */
export function useNow(every) {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => document.hidden || set(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

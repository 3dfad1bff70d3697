// What keeps the page up to date: polling that stops while nobody looks, and the event stream of a sweep.

import { useCallback, useEffect, useRef, useState } from './vendor/preact.js';
import { Fault, getChanged, url } from './api.js';

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
        pause = e.status === 0 || e.status >= 500 ? 2000 : 0;
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
  // A page that becomes live again after its rest was 0 starts by itself.
  useEffect(() => {
    if (every > 0) wake.current();
  }, [every > 0]);
  const again = useCallback(() => wake.current(), []);
  const isCurrent = state.path === path;
  return { data: isCurrent ? state.data : undefined, fault: isCurrent ? state.fault : undefined, again };
}

/**
 * Calls back when something happened to a sweep, at most once in a while: ten thousand executions may move in a minute.
 * @param {string | null} id null: no sweep
 * @param {() => void} happened
 * @param {number} least milliseconds between two calls
 */
export function useEvents(id, happened, least) {
  const call = useRef(happened);
  call.current = happened;
  useEffect(() => {
    if (id === null) return;
    let timer = 0;
    const soon = () => {
      timer ||= setTimeout(() => {
        timer = 0;
        call.current();
      }, least);
    };
    /** @type {EventSource | null} */
    let source = null;
    // A hidden page holds no connection: browsers allow six of them to one server.
    const follow = () => {
      if (document.hidden) {
        source?.close();
        source = null;
      } else if (!source) {
        source = new EventSource(url(`/sweeps/${id}/events?since=-1`));
        source.addEventListener('sweep', soon);
        source.addEventListener('executions', soon);
      }
    };
    follow();
    document.addEventListener('visibilitychange', follow);
    return () => {
      clearTimeout(timer);
      source?.close();
      document.removeEventListener('visibilitychange', follow);
    };
  }, [id, least]);
}

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

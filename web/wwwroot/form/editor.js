// The sweep file as text, with the lines of what is wrong.

import { html, useLayoutEffect, useRef } from '../vendor/preact.js';

/** @import { Problem } from '../types' */

/** @param {{ text: string, change: (text: string) => void, problems: Problem[], place: (path: string) => string }} props place: where a problem is, in words */
export function Editor({ text, change, problems, place }) {
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const lines = useRef(/** @type {HTMLPreElement | null} */ (null));
  const bad = new Map(problems.flatMap(p => p.line ? [[p.line, p.message]] : []));
  const count = Math.max(1, text.split('\n').length);
  const show = (/** @type {Problem} */ p) => {
    if (!area.current || !p.line) return;
    const all = text.split('\n');
    const from = all.slice(0, p.line - 1).reduce((n, l) => n + l.length + 1, 0);
    area.current.focus();
    area.current.setSelectionRange(from + Math.max(0, (p.column ?? 1) - 1), from + (all[p.line - 1]?.length ?? 0));
    // A browser shows the end of a selection only once somebody types.
    area.current.scrollTop = area.current.scrollHeight * (p.line - 1) / all.length - area.current.clientHeight / 2;
  };
  const follow = () => {
    if (lines.current && area.current) lines.current.scrollTop = area.current.scrollTop;
  };
  useLayoutEffect(follow);
  // Tab goes on to the next control, as everywhere; two spaces are soon typed.
  return html`<div class="editor mono"><div class="gutter" style=${{ '--digits': String(count).length }}><pre class="lines mono" aria-hidden="true" ref=${lines}>${Array.from({ length: count }, (_, i) => bad.has(i + 1) ? html`<b title=${bad.get(i + 1)}>● ${i + 1}${'\n'}</b>` : `${i + 1}\n`)}</pre></div>
      <textarea ref=${area} class="mono" aria-label="Sweep file, YAML" aria-invalid=${problems.length > 0 ? 'true' : undefined} aria-describedby="problems" spellcheck=${false} autocapitalize="off" rows=${Math.max(16, count + 1)} value=${text} onInput=${(/** @type {any} */ e) => change(e.target.value)} onScroll=${follow} /></div>
    <ul class="plain problems" id="problems" aria-label="Problems">${problems.map((p, i) => html`<li key=${i}>${p.line ? html`<button type="button" class="small" onClick=${() => show(p)}>line ${p.line}${p.column ? `, column ${p.column}` : ''}</button> ` : ''}<span class="failed">${place(p.path) && html`<b>${place(p.path)}</b>: `}${p.message}</span></li>`)}</ul>`;
}

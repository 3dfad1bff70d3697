// The store: what may go, looked at before it goes.

import { html, useState } from '../vendor/preact.js';
import { Fault, may, post } from '../api.js';
import { bytes, counted } from '../format.js';
import { FaultNote, ask, say, useTitle } from '../ui.js';

/** @typedef {{ isDryRun: boolean, lines: { what: string, why: string, goes: boolean, count: number, bytes: number }[], before: number, after: number, meetsBudget?: boolean | null }} Report */

export default function Store() {
  useTitle('Store');
  const [rule, setRule] = useState({ keepDays: '', keepLast: '', gib: '', orphans: false });
  const [report, set] = useState(/** @type {Report | null} */ (null));
  const [fault, setFault] = useState(/** @type {Fault | undefined} */ (undefined));
  const [isBusy, setBusy] = useState(false);
  const change = (/** @type {Partial<typeof rule>} */ part) => {
    setRule({ ...rule, ...part });
    set(null);
  };
  const send = async (/** @type {boolean} */ dryRun) => {
    setBusy(true);
    setFault(undefined);
    try {
      const answer = /** @type {Report} */ (await post('/gc', {
        ...(rule.keepDays !== '' && { keepDays: Number(rule.keepDays) }), ...(rule.keepLast !== '' && { keepLast: Number(rule.keepLast) }),
        ...(rule.gib !== '' && { budgetBytes: Math.round(Number(rule.gib) * 1024 ** 3) }), orphans: rule.orphans, dryRun,
      }));
      set(answer);
      if (!dryRun) say(`Deleted ${bytes(answer.before - answer.after)}.`);
    } catch (e) {
      if (!(e instanceof Fault)) throw e;
      setFault(e);
    }
    setBusy(false);
  };
  const going = report?.lines.filter(l => l.goes) ?? [];
  const freed = report ? report.before - report.after : 0;
  return html`<h1>Store</h1><p>The store keeps checkpoints, results and training states. Results stay; a result whose checkpoint is gone is computed again when a sweep asks for it. Pinned sweeps are kept whole.</p>
    ${!may('admin') ? html`<div class="note"><p>Collecting needs a key of the scope admin.</p></div>` : html`<form class="card" onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); send(true); }}><h2>Collect</h2><div class="fields">
      <div class="field"><label for="days">Keep days</label><input id="days" type="number" min="0" value=${rule.keepDays} onInput=${(/** @type {any} */ e) => change({ keepDays: e.target.value })} /><small>Checkpoints of sweeps that ended before go. Empty: no matter how old.</small></div>
      <div class="field"><label for="last">Keep the newest sweeps</label><input id="last" type="number" min="0" value=${rule.keepLast} onInput=${(/** @type {any} */ e) => change({ keepLast: e.target.value })} /><small>Checkpoints of all other sweeps go. Empty: all are kept.</small></div>
      <div class="field"><label for="gib">Budget, GiB</label><input id="gib" type="number" min="0" step="any" value=${rule.gib} onInput=${(/** @type {any} */ e) => change({ gib: e.target.value })} /><small>The oldest go until the store is no larger. Empty: no budget.</small></div>
      <div class="field"><label class="check"><input type="checkbox" checked=${rule.orphans} onChange=${(/** @type {any} */ e) => change({ orphans: e.target.checked })} />Orphans too</label><small>What no record of this coordinator names. Not where several coordinators share the store.</small></div></div>
      <div class="row end"><button class="main" disabled=${isBusy}>${isBusy ? 'Working …' : 'Show what would go'}</button></div></form>`}
    <${FaultNote} fault=${fault} />
    ${report && html`<section aria-labelledby="report"><h2 id="report">${report.isDryRun ? 'What would go' : 'What went'}</h2>
      <p>${report.isDryRun ? `${bytes(report.before)} now, ${bytes(report.after)} afterwards: ${bytes(freed)} would be free.` : `${bytes(report.before)} before, ${bytes(report.after)} now: ${bytes(freed)} are free.`}${report.meetsBudget === false ? ' That is still above the budget: the rest must stay.' : ''}</p>
      <div class="wide" tabindex="0" role="region" aria-label="Contents"><table class="full"><thead><tr><th scope="col" class="text">what</th><th scope="col" class="text">why</th><th scope="col" class="text"></th><th scope="col">number</th><th scope="col">size</th></tr></thead><tbody>${report.lines.map((l, i) => html`<tr key=${i}><td class="text">${l.what}</td><td class="text wrap">${l.why}</td><td class="text">${l.goes ? html`<b>goes</b>` : 'stays'}</td><td>${l.count.toLocaleString('en-US')}</td><td>${bytes(l.bytes)}</td></tr>`)}</tbody></table></div>
      ${report.isDryRun && going.length > 0 && html`<p><button type="button" class="main bad" disabled=${isBusy} onClick=${async () => await ask({ title: `Delete ${bytes(freed)}?`, text: `${counted(going.reduce((n, l) => n + l.count, 0), 'object')} of the store go for good.`, yes: 'Delete them', isBad: true }) && send(false)}>Delete ${bytes(freed)}</button></p>`}</section>`}`;
}

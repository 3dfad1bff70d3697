import { html } from '../vendor/preact.js'; export const Results = () => html`<p/>`;

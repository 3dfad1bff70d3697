import { html } from '../vendor/preact.js'; export const Source = () => html`<p/>`;

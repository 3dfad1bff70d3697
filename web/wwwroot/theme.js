// Light or dark: as the system says, until the user says otherwise.

import { effect, signal } from './vendor/preact.js';

/** @typedef {'auto' | 'light' | 'dark'} Theme */

const key = 'lathe.theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const kept = localStorage.getItem(key);

/** What the user chose. */
export const theme = signal(/** @type {Theme} */ (kept === 'light' || kept === 'dark' ? kept : 'auto'));

const systemIsDark = signal(system.matches);
system.addEventListener('change', e => {
  systemIsDark.value = e.matches;
});

/** What is shown; charts, which know no style sheet, are drawn again with it. */
export const isDark = signal(false);

effect(() => {
  isDark.value = theme.value === 'auto' ? systemIsDark.value : theme.value === 'dark';
  if (theme.value === 'auto') localStorage.removeItem(key);
  else localStorage.setItem(key, theme.value);
  document.documentElement.dataset.theme = isDark.value ? 'dark' : 'light';
});

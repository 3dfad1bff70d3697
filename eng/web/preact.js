// What the page takes of Preact, its signals and htm, in one file.
import { h } from 'preact';
import htm from 'htm';

export { Component, Fragment, h, render } from 'preact';
export { useCallback, useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
export { computed, effect, signal, useComputed, useSignal } from '@preact/signals';
export const html = htm.bind(h);

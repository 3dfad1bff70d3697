export { Component, Fragment, h, render } from 'preact';
export type { ComponentChildren } from 'preact';
export { useCallback, useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
export { computed, effect, signal, useComputed, useSignal } from '@preact/signals';
export type { Signal } from '@preact/signals';
/** A tree of elements, as htm reads it. */
export const html: (strings: TemplateStringsArray, ...values: any[]) => any;

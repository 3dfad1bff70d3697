export { init } from 'echarts/core';
export type { ECharts } from 'echarts/core';
export type { EChartsOption } from 'echarts';

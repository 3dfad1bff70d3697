// Records of the HTTP interface, as far as the page reads them. docs/openapi.json has them all.

export type ExecutionState = 'waiting' | 'ready' | 'queued' | 'running' | 'completed' | 'cached' | 'failed' | 'skipped' | 'paused' | 'cancelled';
export type SweepState = 'preparing' | 'running' | 'succeeded' | 'failed' | 'paused' | 'cancelled' | 'interrupted';
export type MetricFormat = 'number' | 'count' | 'percent' | 'bytes' | 'seconds' | 'ratio' | 'bits';
export type Counts = Partial<Record<ExecutionState, number>>;

export interface Problem { path: string; message: string; line?: number | null; column?: number | null; }
export interface Session { needsKey: boolean; isOpen: boolean; name?: string | null; scope?: 'read' | 'submit' | 'admin' | null; }

export interface MetricDescriptor {
  name: string; title: string; unit: string; format: MetricFormat; better: 'neither' | 'higher' | 'lower'; isColumn: boolean;
  denseName?: string | null; description: string; rank: number; longTitle?: string | null; ratioName?: string | null; lowName?: string | null; highName?: string | null;
}

export interface SweepSummary {
  id: string; name: string; state: SweepState; submittedAt: string; finishedAt?: string | null; finished: number; executions: number;
  running: number; failed: number; priority: number; pinned?: boolean; ready: number; queued: number; resting: number; secondsLeft?: number | null;
}

export interface StageProgress {
  phase: string; epoch?: number | null; epochs?: number | null; loss?: number | null; accuracy?: number | null; imagesPerSecond?: number | null; secondsLeft?: number | null;
}

export interface ExecutionStatus {
  index: number; parent?: number | null; stage: string; model: string; dataset: string; seed: number; parameters: Record<string, unknown>; varied: string[];
  state: ExecutionState; key?: string | null; worker?: string | null; progress?: StageProgress | null; output?: { sha256: string; bytes: number } | null;
  metrics: Record<string, number>; seconds?: number | null; error?: string | null;
}

export interface StepCounts { step: number; stage: string; version: string; counts: Counts; hasWorker?: boolean | null; pool?: string | null; }

export interface SweepStatus {
  id: string; name: string; state: SweepState; submittedAt: string; finishedAt?: string | null; executions: ExecutionStatus[]; device?: string | null; steps: StepCounts[];
  reason?: string | null; priority: number; threads?: number | null; secondsLeft?: number | null; pinned: boolean;
  failures?: { stage: string; error: string; count: number; first: number }[] | null;
  search?: { strategy: string; trials?: number | null; counts: Record<string, number> } | null;
}

export interface ExecutionPage { executions: ExecutionStatus[]; next?: number | null; above?: ExecutionStatus[] | null; }
export interface TreePage { nodes: { execution: ExecutionStatus; children: number }[]; next?: number | null; }
export interface Curves { curves: { index: number; stage: string; state: ExecutionState; parameters: Record<string, unknown>; varied: string[]; epochs: EpochPoint[] }[]; }

export interface TableColumn { name: string; kind: 'fact' | 'parameter' | 'metric' | 'dense' | 'ratio'; metric?: MetricDescriptor | null; isText: boolean; }
export interface SweepTable { columns: TableColumn[]; rows: unknown[][]; next?: number | null; }

export interface Trial {
  number: number; state: 'open' | 'done' | 'failed' | 'stopped' | 'pruned'; values: Record<string, unknown>; figures: Record<string, number>; violation: number; executions: number[][];
  epochs?: number | null; reason?: string | null;
}

export interface EpochPoint { epoch: number; loss: number; accuracy: number; at: string; }
export interface Relative { index: number; stage: string; state: ExecutionState; parameters: Record<string, unknown>; varied: string[]; output?: { sha256: string; bytes: number } | null; }

export interface ExecutionDetail {
  execution: ExecutionStatus; epochs: EpochPoint[]; id?: string | null; sweep?: { id: string; name: string } | null; version?: string | null; attempt?: number | null; failures?: number | null;
  readyAt?: string | null; sentAt?: string | null; startedAt?: string | null; finishedAt?: string | null; input?: { sha256: string; bytes: number } | null;
  trace?: { id: string; url?: string | null } | null; metrics?: MetricDescriptor[] | null; ancestors?: Relative[] | null; children?: Relative[] | null;
  places?: { sweep: string; name: string; index: number }[] | null;
  computedIn?: { sweep: string; name: string; index: number } | null;
  nearest?: { sweep: string; sweepName: string; index: number; differences: { part: string; before: unknown; now: unknown }[] } | null;
}

export interface AxisInfo { title: string; scale?: 'linear' | 'logarithmic'; fromZero?: boolean; }
export interface PanelBase { id: string; title: string; section?: string; caption?: string; isDetail?: boolean; merges?: boolean; figures?: string | null; }
export interface LinePanel extends PanelBase { kind: 'lines'; x: AxisInfo; y: AxisInfo; lines: { name: string; x: number[]; y: (number | null)[]; group?: number | null; isTarget?: boolean }[]; mark?: { text: string; x: number } | null; }
export interface ScatterPanel extends PanelBase {
  kind: 'scatter'; x: AxisInfo; y: AxisInfo; groups?: string[]; frontName?: string; intervalName?: string;
  points: { x: number; y: number; name: string; label?: string; onFront?: boolean; group?: number; low?: number | null; high?: number | null }[];
}
export interface BarPanel extends PanelBase { kind: 'bars'; unit: string; categories: string[]; series: { name: string; values: number[]; group?: number | null }[]; isStacked?: boolean; labels?: string[]; }
export interface RidgePanel extends PanelBase { kind: 'ridges'; about: string; least: number; most: number; ridges: { name: string; counts: number[] }[]; marks?: { at: number; text: string }[]; }
export interface HeatPanel extends PanelBase { kind: 'heat'; rowTitle: string; columnTitle: string; rows: string[]; columns: string[]; values: number[][]; isDiagonalRight?: boolean; }
export interface TablePanel extends PanelBase { kind: 'table'; columns: { title: string; format?: MetricFormat; isText?: boolean }[]; rows: { text?: string | null; number?: number | null }[][]; keys?: number; }
export type Panel = LinePanel | ScatterPanel | BarPanel | RidgePanel | HeatPanel | TablePanel;

export interface Schema {
  type?: string | string[]; title?: string; description?: string; default?: unknown; enum?: unknown[]; minimum?: number; maximum?: number;
  exclusiveMinimum?: number; exclusiveMaximum?: number; properties?: Record<string, Schema>; required?: string[]; anyOf?: Schema[]; items?: Schema; [extra: `x-${string}`]: unknown;
}
export interface StageManifest { name: string; version: string; summary: string; input: 'model' | 'checkpoint'; output: 'checkpoint' | 'metrics'; parametersSchema?: Schema | null; metrics?: MetricDescriptor[] | null; }
export interface SweepSpec { name: string; models: string[]; datasets: string[]; seeds: number[]; stages: { stage: string; parameters: Record<string, unknown> }[]; threads?: number | null; device?: string | null; }
export interface SweepCheck { problems: Problem[]; notes: string[]; executions?: number | null; spec?: SweepSpec | null; yaml?: string | null; }
export interface SweepForecast {
  problems: Problem[]; notes: string[]; size: number; seconds?: number | null; isPart: boolean;
  steps: { step: number; stage: string; version: string; executions: number; cached: number; seconds?: number | null }[];
  executions: { index: number; parent?: number | null; stage: string; parameters: Record<string, unknown>; varied: string[]; isCached: boolean; seconds?: number | null }[];
}

export interface Worker {
  name: string; stage: string; version: string; isCurrent: boolean; heardAt: string;
  about?: { pool?: string | null; lathe?: string | null; startedAt?: string | null; threads?: number | null; device?: string | null; exports?: { name: string }[] | null } | null;
  executions: { sweep: string; name: string; index: number; startedAt?: string | null; progress?: StageProgress | null }[];
}
export interface Queue { stage: string; version: string; isCurrent: boolean; workers: number; backlog?: number | null; ready: number; queued: number; running: number; waiting: number; pool?: string | null; }

export interface StoredFile { name: string; bytes: number; sha256?: string | null; url: string; kind: 'checkpoint' | 'graph' | 'lineage' | 'export'; format?: string | null; }
export interface FileList { files: StoredFile[]; formats: { name: string; summary: string; options: { name: string; values: string[]; summary: string }[] }[]; notes: string[]; refused?: { format: string; why: string; set?: string | null }[] | null; }
export interface ExportAnswer { format: string; files: StoredFile[]; lines: string[]; }

export interface Comparison {
  executions: { reference: string; sweep: { id: string; name: string }; index: number; model: string; dataset: string; seed: number; state: ExecutionState; way: Relative[]; figures: Record<string, number>; seconds?: number | null }[];
  metrics: MetricDescriptor[]; notes: string[];
  layers: { name: string; kind: string; channels: (number | null)[]; bits: (number | null)[]; most?: number | null; counts: (number[] | null)[] }[];
  panels: { stage: string; id: string; title: string; panels: (Panel | null)[] }[];
}

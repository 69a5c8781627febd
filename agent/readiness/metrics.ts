// The Prometheus textfile: one gauge per condition and one for the whole, with label sets that cannot grow.

import type { StatusReport } from '../model/readiness.ts';

/** Text for node_exporter's textfile collector: conditions as 1 (True), 0 (False) or -1 (Unknown). */
export function renderMetrics(report: StatusReport): string {
  const node = labelValue(report.node ?? '');
  const value = { True: 1, False: 0, Unknown: -1 } as const;
  return [
    '# HELP diyc_ready Whether every condition of this node is met.',
    '# TYPE diyc_ready gauge',
    `diyc_ready{node="${node}"} ${report.summary === 'ready' ? 1 : 0}`,
    '# HELP diyc_condition Conditions of this node: 1 true, 0 false, -1 unknown.',
    '# TYPE diyc_condition gauge',
    ...report.conditions.map((c) => `diyc_condition{node="${node}",type="${c.type}"} ${value[c.status]}`),
    '# HELP diyc_agent_info Version of the agent that wrote this.',
    '# TYPE diyc_agent_info gauge',
    `diyc_agent_info{version="${labelValue(report.agent)}"} 1`,
    '',
  ].join('\n');
}

function labelValue(text: string): string {
  return text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n');
}

// Conditions as programs read them: from `status --json`, and from the file that `report` leaves.

import type { Condition, ConditionType } from '../../agent/model/condition.ts';
import { statusFile } from '../../agent/model/paths.ts';
import type { StatusReport } from '../../agent/model/readiness.ts';
import type { FakeHost } from './fake-host.ts';
import { runVerb } from './packaged-host.ts';

/** What `status` says now of one condition; undefined when it does not speak of it. */
export async function statusOf(host: FakeHost, type: ConditionType): Promise<Condition | undefined> {
  return pick((await runVerb(host, ['status', '--json'])).stdout, type);
}

/** What the last report wrote down of one condition. */
export function reported(host: FakeHost, type: ConditionType): Condition | undefined {
  return pick(host.files.snapshot()[statusFile] ?? '{"conditions":[]}', type);
}

function pick(text: string, type: ConditionType): Condition | undefined {
  const report: Pick<StatusReport, 'conditions'> = JSON.parse(text);
  return report.conditions.find((c) => c.type === type);
}

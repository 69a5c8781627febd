/** The verbs as an operator types them, on real hosts: what they do, how they end, and what they say when they refuse. */

import type { Lab } from '../cluster.ts';
import type { Host } from '../host.ts';
import { commitOf, imageHosts } from '../image-host.ts';
import { denied, jsonOf, mustRun, slots, ticking, upgradeOf } from '../rollout.ts';
import { expect, expectEqual } from '../scenario.ts';
import { notYet, until, yes } from '../wait.ts';

export const name = 'upgrade-verbs';
export const claim =
  'check, stage, apply, hold, resume, cancel, rollback, allow and reboot do what they say, and refuse with the right exit code and a remedy';
export const from = 'blank';

const POLICY = `upgrade:
  automatic: "off"
  soak: 5s
  readyWithin: 2m
`;
/** sysexits(3), as the agent uses them. */
const [USAGE, DATA, WAITS, NOT_ROOT, CONFIG] = [64, 65, 75, 77, 78];
const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

interface Check {
  readonly candidate: { readonly version: string } | null;
  readonly proof: { readonly items: readonly { readonly question: string; readonly answer: string }[] };
}

export async function run(lab: Lab): Promise<void> {
  await imageHosts(lab, [{ version: '41.1' }, { version: '41.2' }], POLICY);
  await lab.powerOn();
  await lab.untilReady();
  const [a1, a2, a3] = [lab.host('a1'), lab.host('a2'), lab.host('a3')];
  const agent = async (host: Host, words: string, code = 0): Promise<string> =>
    await mustRun(host, ['diyc-agent', ...words.split(' ')], code, 120_000);
  const refuses = async (host: Host, words: string, code: number, says: RegExp): Promise<void> => {
    const said = await agent(host, words, code);
    expect(
      says.test(said) && /^ {2}hint: /m.test(said),
      `${words} on ${host.name} does not say why and what to do: ${said}`,
    );
  };

  const check = await jsonOf<Check>(a1, ['diyc-agent', '--json', 'upgrade', 'check'], 2);
  expectEqual(check.candidate?.version, '41.2', 'what is offered');
  expectEqual(check.proof.items.find((i) => i.question === 'Quorum')?.answer, 'yes', 'quorum in the proof');
  await refuses(a1, 'upgrade stage 99.9', DATA, /99\.9/);
  expect(/^staged; /.test(await agent(a1, 'upgrade stage')), 'upgrade stage says that it is staged');
  expectEqual(await a1.boots(), 1, 'boots after staging');

  await agent(a1, 'upgrade hold --reason audit');
  expect(/on hold: audit/.test(await agent(a1, 'upgrade apply --timeout 3s', WAITS)), 'the hold is told');
  await refuses(a1, 'reboot', WAITS, /an upgrade is asked for already, by operator on a1/);
  expect(/taken back: the upgrade/.test(await agent(a1, 'upgrade cancel')), 'cancel says what was taken back');
  expect(/goes on; it was on hold: audit/.test(await agent(a1, 'upgrade resume')), 'resume says what was held');

  await followed(lab, a1, 'upgrade apply 41.2', 2, '41.2');
  expect(/a1 .*41\.2 \(proven\)/.test(await agent(a2, 'upgrade status')), 'upgrade status shows a1 as proven');
  await followed(lab, a1, 'rollback --reason slow', 3, '41.1');
  expectEqual((await denied(lab))[0]?.reason, 'slow', 'why the release is denied');
  await refuses(a2, 'upgrade apply 41.2', CONFIG, /denied: slow \(operator on a1/);
  await refuses(a2, 'upgrade target 41.2', CONFIG, /denied: slow/);
  expect(/41\.2 may be tried again/.test(await agent(a2, 'upgrade allow 41.2')), 'allow says what it took off');
  await refuses(a2, 'upgrade allow 41.2', DATA, /nothing of that name is denied/);

  await refuses(a2, 'upgrade status --group nosuch', USAGE, /no upgrade group of that name/);
  await refuses(a2, 'reboot release a9', DATA, /it holds none of group default/);
  for (const verb of ['reboot', 'rollback', 'upgrade apply', 'upgrade stage', 'upgrade check']) {
    await mustRun(a2, [...AS_NOBODY, 'diyc-agent', ...verb.split(' ')], NOT_ROOT);
  }
  // now it is a host like those whose packages come one by one
  await mustRun(a3, ['rm', '/run/ostree-booted']);
  for (const verb of ['upgrade check', 'upgrade stage', 'upgrade apply', 'rollback']) {
    await refuses(a3, verb, USAGE, /not upgraded by deployments/);
  }
  await followed(lab, a3, 'reboot --reason firmware', 2, '41.1');
  expect(/released: a3/.test(await agent(a3, 'reboot status')), 'reboot status tells that the slot is back');
}

/** Asks, and waits until the host is through with it. */
async function followed(lab: Lab, host: Host, words: string, boots: number, version: string): Promise<void> {
  const outcome = await host.inside(['diyc-agent', ...words.split(' '), '--timeout', '60s'], 90_000);
  const said = `${outcome.stdout}${outcome.stderr}`;
  // 137: the host went down before it could be said
  expect(outcome.code === 0 || outcome.code === 137, `${words} on ${host.name} ended with ${outcome.code}: ${said}`);
  await ticking(lab, () =>
    until(`${host.name} to be through with ${words}`, 120_000, async () => {
      const upgrade = await upgradeOf(lab, host);
      if ((await host.boots()) < boots) return notYet(`not rebooted yet: ${upgrade?.waiting}`);
      const last = (await slots(lab)).log.findLast((event) => event.holder === host.name);
      if (last?.what !== 'released') return notYet(`its slot: ${last?.what}`);
      return upgrade?.phase === 'steady' && upgrade.verified === commitOf(version)
        ? yes(true)
        : notYet(`${upgrade?.phase} in ${upgrade?.booted?.text}: ${upgrade?.waiting}`);
    }),
  );
}

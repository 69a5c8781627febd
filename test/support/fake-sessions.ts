// Who is logged in, as a test says it.

import { AgentError } from '../../agent/model/errors.ts';
import type { LoginSession, Sessions } from '../../agent/ports/survey.ts';
import type { EffectLog } from './effect-log.ts';

/** `unknown`: logind does not answer. */
export type FakePeople = readonly LoginSession[] | 'unknown';

export interface FakeSessions extends Sessions {
  set(people: FakePeople): void;
  /** The host booted: nobody is logged in. A logind that does not answer stays so. */
  boot(): void;
}

export interface FakeSessionsOptions {
  readonly log: EffectLog;
  /** Default: nobody is logged in. */
  readonly people?: FakePeople;
}

/** The Sessions port in memory. */
export function fakeSessions({ log, people = [] }: FakeSessionsOptions): FakeSessions {
  let now = people;
  return {
    set(next) {
      now = next;
    },
    boot() {
      if (now !== 'unknown') now = [];
    },
    async people() {
      log.assertAlive();
      if (now === 'unknown') {
        throw new AgentError('oserr', 'cannot find out who is logged in: loginctl list-sessions exited with 1', {
          hint: 'see systemctl status systemd-logind.service',
        });
      }
      return now;
    },
  };
}

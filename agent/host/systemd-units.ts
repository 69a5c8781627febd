// systemd through systemctl: one call for many units, never waiting for a job.

import { stat } from 'node:fs/promises';
import { AgentError } from '../model/errors.ts';
import type { Units } from '../ports/units.ts';
import { assertSucceeded, type Exec, type ExecResult } from './child-exec.ts';
import { parseShow, shownProperties } from './systemctl-show.ts';

const questionDeadlineMs = 5_000;
/** PID 1 may be busy with a reload, and then even a queued job waits for it. */
const requestDeadlineMs = 15_000;
const reloadDeadlineMs = 60_000;

export interface SystemdUnitsOptions {
  readonly exec: Exec;
  /** Exists where systemd is PID 1 (sd_booted(3)); tests name another. */
  readonly bootedDirectory?: string;
}

/** The Units port by systemctl. */
export function systemdUnits({ exec, bootedDirectory = '/run/systemd/system' }: SystemdUnitsOptions): Units {
  async function systemctl(args: readonly string[], deadlineMs: number): Promise<ExecResult> {
    if (!(await isDirectory(bootedDirectory))) {
      throw new AgentError(
        'oserr',
        `cannot ask systemd (systemctl ${args.find((word) => !word.startsWith('-')) ?? ''}): this system was not booted with systemd`,
        {
          hint: 'run on the host itself, or give --root DIR to prepare the files of another system',
        },
      );
    }
    return await exec.run(['systemctl', '--no-pager', '--no-ask-password', ...args], { deadlineMs });
  }

  async function queue(verb: 'start' | 'stop' | 'try-restart', names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const result = await systemctl(['--no-block', verb, '--', ...names], requestDeadlineMs);
    if (result.exitCode !== 0 && isShuttingDown(result.stderr)) {
      throw new AgentError('tempfail', `did not ${verb} ${names.join(' ')}: the host is shutting down or rebooting`, {
        hint: 'nothing is to be done: enabled units start at the next boot',
      });
    }
    assertSucceeded(
      result,
      `${verb} ${names.join(' ')}`,
      `see systemctl status ${names.join(' ')} and journalctl -b -p warning`,
    );
  }

  return {
    async states(names) {
      if (names.length === 0) return [];
      const result = await systemctl(['show', '-p', shownProperties.join(','), '--', ...names], questionDeadlineMs);
      assertSucceeded(
        result,
        `ask systemd about ${names.join(' ')}`,
        'see whether systemctl list-units works on this host',
      );
      return parseShow(result.stdout, names);
    },
    async reload() {
      const result = await systemctl(['daemon-reload'], reloadDeadlineMs);
      assertSucceeded(
        result,
        'make systemd read its units again',
        'run systemctl daemon-reload by hand; on a full /run it cannot work',
      );
    },
    queueStart: (names) => queue('start', names),
    queueStop: (names) => queue('stop', names),
    queueRestart: (names) => queue('try-restart', names),
    async reloadServices(names) {
      // One call each: systemctl refuses all of them when one does not run.
      for (const name of names) await systemctl(['--no-block', 'reload', '--', name], requestDeadlineMs);
    },
    async resetFailed(names) {
      if (names.length === 0) return;
      const result = await systemctl(['reset-failed', '--', ...names], requestDeadlineMs);
      // A unit that is not loaded has no failed state to clear: that is what was wanted.
      const complaints = result.stderr
        .split('\n')
        .filter((line) => line.trim() !== '' && !/not loaded\.?$/.test(line.trim()));
      if (result.exitCode !== 0 && !result.timedOut && complaints.length === 0) return;
      assertSucceeded(
        result,
        `clear the failed state of ${names.join(' ')}`,
        `run systemctl reset-failed ${names.join(' ')} by hand`,
      );
    },
    async reboot() {
      const result = await systemctl(['reboot'], requestDeadlineMs);
      if (result.exitCode !== 0 && isShuttingDown(result.stderr)) return;
      assertSucceeded(
        result,
        'ask for a reboot',
        'run systemctl reboot by hand; systemd-inhibit --list shows what holds it back',
      );
    },
  };
}

/** While reboot.target runs, every other job is refused with this (systemctl exits 1); it says nothing about the unit. */
function isShuttingDown(stderr: string): boolean {
  return /Transaction (for .* )?is destructive/.test(stderr);
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

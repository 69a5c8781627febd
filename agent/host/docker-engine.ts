// The docker engine on its local socket, through dockerode: three facts, within a deadline.

import { AgentError } from '../model/errors.ts';
import type { Engine, EngineFacts } from '../ports/host.ts';
import { errorCode } from './system-errors.ts';

export interface DockerEngineOptions {
  readonly socketPath?: string;
  readonly deadlineMs?: number;
}

/** The Engine port. Nothing is contacted before the first question. */
export function dockerEngine({
  socketPath = '/var/run/docker.sock',
  deadlineMs = 2_000,
}: DockerEngineOptions = {}): Engine {
  return {
    async facts(): Promise<EngineFacts> {
      const { default: Docker } = await import('dockerode');
      // The typings lack the option that the library has.
      const docker: { info(options: { readonly abortSignal: AbortSignal }): Promise<unknown> } = new Docker({
        socketPath,
      });
      const abortSignal = AbortSignal.timeout(deadlineMs);
      try {
        return factsOf(await docker.info({ abortSignal }));
      } catch (error) {
        throw engineError(error, socketPath, abortSignal.aborted ? deadlineMs : null);
      }
    },
  };
}

/** Only what is used is looked at, so that a newer engine's answer is still understood. */
function factsOf(info: unknown): EngineFacts {
  const fields: Readonly<Record<string, unknown>> = typeof info === 'object' && info !== null ? { ...info } : {};
  const { ServerVersion: version, Driver: driver, ContainersRunning: running } = fields;
  return {
    version: typeof version === 'string' ? version : 'unknown',
    storageDriver: typeof driver === 'string' ? driver : 'unknown',
    runningContainers: typeof running === 'number' ? running : 0,
  };
}

function engineError(error: unknown, socketPath: string, passedMs: number | null): AgentError {
  const code = errorCode(error);
  if (code === 'EACCES' || code === 'EPERM') {
    return new AgentError('noperm', `cannot ask the docker engine: ${socketPath} may not be opened`, {
      hint: 'run as root, or as a member of the docker group',
      cause: error,
    });
  }
  const why =
    passedMs !== null
      ? `it did not answer within ${passedMs} ms`
      : code === 'ENOENT'
        ? `there is no ${socketPath}`
        : code === 'ECONNREFUSED'
          ? `nothing listens on ${socketPath}`
          : error instanceof Error
            ? error.message
            : String(error);
  return new AgentError('unavailable', `cannot ask the docker engine: ${why}`, {
    hint: 'see systemctl status docker.service and journalctl -u docker.service',
    cause: error,
  });
}

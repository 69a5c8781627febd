// `storage estimate SIZE`: what pulling an image of that size would cost a live host, before it costs it.

import { parseSize } from '../live/amounts.ts';
import { isOnOverlay } from '../live/brake.ts';
import { lookAtLive } from '../live/look.ts';
import { estimatePull } from '../live/pull-estimate.ts';
import { sizeText } from '../model/byte-size.ts';
import { isAgentError } from '../model/errors.ts';
import { dockerDirectory } from '../model/storage.ts';
import type { Host } from '../ports/host.ts';
import type { Action } from './command.ts';

const wouldNotFit = 2;

/** @returns 0 when it fits, 2 when it does not, or may not */
export const storageEstimate: Action = async ({ host, options: global, out }, _options, args) => {
  const compressedBytes = parseSize(args[0] ?? '', 'SIZE');
  const look = await lookAtLive(host);
  const overlay = look.root.overlay;
  if (!look.root.isLive || overlay === null || look.gauge === null) {
    const answer = { fits: 'yes', why: 'this host is not live: docker writes to a disk (df /var/lib/docker)' };
    out(global.json ? `${JSON.stringify({ schema: 1, compressedBytes, ...answer })}\n` : `${answer.why}\n`);
    return 0;
  }
  const estimate = estimatePull({
    compressedBytes,
    overlayKind: overlay.kind,
    storageDriver: await storageDriver(host),
    remainingBytes: look.gauge.remainingBytes,
    isOnOverlay: isOnOverlay(look.mounts, look.root, dockerDirectory),
  });
  if (global.json) out(`${JSON.stringify({ schema: 1, compressedBytes, ...estimate })}\n`);
  else {
    const words = { yes: 'fits', no: 'DOES NOT FIT', maybe: 'MAY NOT FIT' }[estimate.fits];
    out(`an image of ${sizeText(compressedBytes)} (compressed) ${words}: ${estimate.why}\n`);
  }
  return estimate.fits === 'yes' ? 0 : wouldNotFit;
};

/** Of the running engine; where none runs, what current engines take by themselves. */
async function storageDriver(host: Host): Promise<string> {
  try {
    return (await host.engine.facts()).storageDriver;
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return 'overlay2';
  }
}

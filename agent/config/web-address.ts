// URLs that a node is to ask, and addresses at which it is to listen: whether a text is one.

import { parsePortal } from './portal.ts';

/** Why a text is no URL that a node can ask; null when it is one. */
export function urlFault(text: string): { readonly rule: string; readonly message: string } | null {
  if (!/^https?:\/\//i.test(text)) return malformedUrl('it does not begin with http:// or https://');
  if (/^https?:\/\/[^/?#]*@/i.test(text)) {
    return { rule: 'secret-inline', message: 'it holds a password, which every node and every backup would hold too' };
  }
  const parts =
    /^https?:\/\/(?:[A-Z0-9_](?:[A-Z0-9._-]*[A-Z0-9_])?|\[[0-9A-F:.]+\])(?::([0-9]{1,5}))?(?:[/?][!-~]*)?$/i;
  const found = parts.exec(text);
  if (found === null) return malformedUrl('it has no host of that form, or blanks in it');
  const port = found[1] === undefined ? 80 : Number(found[1]);
  return port >= 1 && port <= 65535 ? null : malformedUrl('its port is not a number from 1 to 65535');
}

function malformedUrl(message: string): { readonly rule: string; readonly message: string } {
  return { rule: 'malformed-value', message };
}

/** Why a text is no address at which a node can listen; null when it is one: `address:port`, `[v6]:port`, `/path`. */
export function listenFault(text: string): string | null {
  if (text.startsWith('/')) {
    // The kernel's sun_path has 108 bytes, one of them the NUL at its end: unix(7).
    if (text.length > 107) return 'the path of a socket has at most 107 characters';
    return /^(\/[!-~]*[!-.0-~])$/.test(text) ? null : 'it is no path of a file: it ends in "/", or has blanks in it';
  }
  // A portal has the same form, but may leave its port out.
  const hasPort = /^[^:]*:[0-9]+$|\]:[0-9]+$/.test(text);
  return hasPort && parsePortal(text).kind === 'portal'
    ? null
    : 'it is neither address:port nor the absolute path of a socket';
}

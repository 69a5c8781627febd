// The notices that the licences of bundled libraries ask for: their texts travel with the binary.

import type { Library } from './libraries.ts';

export function notices(libraries: readonly Library[]): string {
  const runtime =
    'Bun (the runtime this program is compiled with)\nLicense: MIT; it contains JavaScriptCore (LGPL-2.1) and other ' +
    'libraries, listed with their sources at https://bun.com/docs/project/license\n';
  return ['diyc-agent contains the following software of others.\n', runtime, ...libraries.map(notice)].join(
    `\n${'-'.repeat(80)}\n\n`,
  );
}

function notice({ name, version, license, licenseText }: Library): string {
  const text = licenseText === undefined ? '' : `\n${licenseText}\n`;
  return `${name} ${version}\nLicense: ${license ?? 'see below'}\n${text}`;
}

// What programs print for --version, as versions that can be compared.

/** `etcd Version: 3.4.23`, the first of several lines. @returns null for anything else */
export function parseEtcdVersion(text: string): string | null {
  return numberOf(/^etcd Version: (\S+)/m.exec(text)?.[1]);
}

/** `Docker version 20.10.24+dfsg1, build 5d6db84`. @returns null for anything else */
export function parseDockerVersion(text: string): string | null {
  return numberOf(/^Docker version ([^\s,]+)/m.exec(text)?.[1]);
}

/**
 * flanneld prints nothing but its version: `0.5.5` up to 2015, later what git described (`v0.28.9`, `v0.7.1-12-g1a2b`).
 *
 * @returns null for builds that were never told their version: `0.5.3+was-not-built-properly` stood in the source for
 * years, other packages print an empty line or a commit
 */
export function parseFlanneldVersion(text: string): string | null {
  const lines = text.split('\n').map((line) => line.trim());
  const line = lines.find((l) => /^v?\d+\.\d+\.\d+/.test(l));
  return line === undefined || line.includes('not-built-properly') ? null : numberOf(line);
}

/**
 * Compare by the numbers before any suffix. @returns negative when `a` is older, 0 when both are the same
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbers(a), numbers(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function numberOf(text: string | undefined): string | null {
  const version = /^v?(\d{1,9}(?:\.\d{1,9}){1,2})(?![\d.])/.exec(text ?? '')?.[1] ?? null;
  // 0.0.0 is what a development build calls itself.
  return version === '0.0.0' ? null : version;
}

function numbers(version: string): number[] {
  return (/^v?(\d+(?:\.\d+)*)/.exec(version)?.[1] ?? '').split('.').map(Number);
}

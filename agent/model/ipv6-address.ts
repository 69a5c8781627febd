// An IPv6 address as eight groups of 16 bits, and the one way to write it, so that texts compare.

/** @returns the eight groups; null for anything else. A dotted quad at the end is understood, a zone is not. */
export function parseIpv6(text: string): readonly number[] | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const [head = [], tail] = halves.map((half) => (half === '' ? [] : half.split(':').flatMap(groupsOf)));
  const known = [...head, ...(tail ?? [])];
  // "::" stands for one group of zeros at least: RFC 4291, 2.2.
  const missing = 8 - known.length;
  if (known.includes(null) || (tail === undefined ? missing !== 0 : missing < 1)) return null;
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...(tail ?? [])];
  return groups.map((group) => group ?? 0);
}

/** One group, or the two that a dotted quad stands for; null for what is neither. */
function groupsOf(part: string): (number | null)[] {
  if (/^[0-9a-f]{1,4}$/i.test(part)) return [Number.parseInt(part, 16)];
  const octets = /^\d{1,3}(?:\.\d{1,3}){3}$/.test(part) ? part.split('.').map(Number) : [];
  const [a = 256, b = 256, c = 256, d = 256] = octets;
  return [a, b, c, d].some((octet) => octet > 255) ? [null] : [a * 256 + b, c * 256 + d];
}

/** As RFC 5952 asks: lower case, no leading zeros, the first of the longest runs of two zeros and more left out. */
export function formatIpv6(groups: readonly number[]): string {
  let longest = { at: -1, length: 1 };
  for (let at = 0; at < groups.length; at++) {
    let length = 0;
    while (groups[at + length] === 0) length++;
    if (length > longest.length) longest = { at, length };
  }
  const words = groups.map((group) => group.toString(16));
  if (longest.at < 0) return words.join(':');
  return `${words.slice(0, longest.at).join(':')}::${words.slice(longest.at + longest.length).join(':')}`;
}

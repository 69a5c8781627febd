// How the last seeding of flannel's configuration ended, as kept in /run/diyc-agent/seed.json.

export interface SeedResult {
  /** `drift`: another configuration stands in etcd, and was left alone. `absent`: it was there once and is gone. */
  readonly outcome: 'created' | 'present' | 'drift' | 'absent';
  readonly key: string;
  readonly api: string;
  readonly found: string;
  readonly wanted: string;
}

const outcomes = ['created', 'present', 'drift', 'absent'] as const;

/** Read it back; null when it is missing or not understood. */
export function parseSeedResult(text: string | null): SeedResult | null {
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as Partial<SeedResult> | null;
    if (value === null || typeof value !== 'object') return null;
    const { outcome, key, api, found, wanted } = value;
    if (!outcomes.some((o) => o === outcome) || outcome === undefined || typeof key !== 'string') return null;
    return { outcome, key, api: String(api), found: String(found), wanted: String(wanted) };
  } catch {
    return null;
  }
}

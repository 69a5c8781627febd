// How PyYAML, which is what cloud-init reads with, understands a plain scalar of YAML 1.1.

/** `text` is what Python's str() gives for it, which is what cloud-init makes of an instance id. */
export interface PlainScalar {
  readonly type: 'text' | 'null' | 'boolean' | 'integer' | 'float' | 'date' | 'unknown';
  readonly text: string;
}

const booleans = { true: ['yes', 'true', 'on'], false: ['no', 'false', 'off'] };
const integer = /^[-+]?(?:0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(?::[0-5]?[0-9])+)$/;
const float =
  /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const date =
  /^(?:\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$/;

/**
 * The type that PyYAML's resolver gives an unquoted scalar. It differs from the type repository of YAML 1.1 (`y` and
 * `n` are text, `1e3` is text) and from YAML 1.2 (`0123` is 83, `on` is true, `1:30` is 90).
 *
 * @see test/fixtures/metadata/pyyaml-scalars.json, which PyYAML itself answered
 */
export function resolvePlainScalar(source: string): PlainScalar {
  if (/^(?:~|null|Null|NULL|)$/.test(source)) return { type: 'null', text: 'None' };
  // Only `on`, `On` and `ON` are words of YAML 1.1, `oN` is text.
  if (/^(?:[a-z]+|[A-Z][a-z]+|[A-Z]+)$/.test(source)) {
    if (booleans.true.includes(source.toLowerCase())) return { type: 'boolean', text: 'True' };
    if (booleans.false.includes(source.toLowerCase())) return { type: 'boolean', text: 'False' };
  }
  if (integer.test(source)) {
    const value = integerValue(source);
    if (value !== null) return { type: 'integer', text: value.toString() };
    return { type: 'unknown', text: source };
  }
  if (float.test(source)) return { type: 'float', text: floatText(source) };
  if (date.test(source)) return { type: 'date', text: source };
  if (source === '=' || source === '<<') return { type: 'unknown', text: source };
  return { type: 'text', text: source };
}

/** Null for what the resolver takes for an integer and the constructor then cannot read (`0b_`). */
function integerValue(source: string): bigint | null {
  const sign = source.startsWith('-') ? -1n : 1n;
  const digits = source.replace(/^[-+]/, '').replaceAll('_', '');
  if (digits.includes(':')) return sign * digits.split(':').reduce((sum, part) => sum * 60n + BigInt(part), 0n);
  const octal = /^0(\d+)$/.exec(digits);
  try {
    return sign * BigInt(octal === null ? digits : `0o${octal[1]}`);
  } catch {
    return null;
  }
}

function floatText(source: string): string {
  const digits = source.toLowerCase().replaceAll('_', '');
  if (digits.endsWith('.inf')) return digits.startsWith('-') ? '-inf' : 'inf';
  if (digits === '.nan') return 'nan';
  const sign = digits.startsWith('-') ? -1 : 1;
  const parts = digits.replace(/^[-+]/, '').split(':').map(Number);
  const value = sign * parts.reduce((sum, part) => sum * 60 + part, 0);
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

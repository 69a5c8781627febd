// Words that another YAML reader takes for a boolean, a number or a date: the reason why some names need quotes.

// The implicit resolvers of PyYAML, which cloud-init uses (YAML 1.1).
const yaml11: readonly { readonly reads: string; readonly pattern: RegExp }[] = [
  { reads: 'a boolean', pattern: /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/ },
  { reads: 'nothing', pattern: /^(?:~|null|Null|NULL|)$/ },
  {
    reads: 'a number',
    pattern:
      /^[-+]?(?:0b[0-1_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/,
  },
  { reads: 'a date', pattern: /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:$|[Tt \t])/ },
];

/** What a YAML 1.1 reader makes of this plain text, when it is not text to it: `a boolean`; else null. */
export function yaml11Reading(plain: string): string | null {
  return yaml11.find((trap) => trap.pattern.test(plain))?.reads ?? null;
}

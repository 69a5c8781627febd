// An answer that may be missing: whoever reads it has to say what follows from not knowing.

export type Known<T> =
  | { readonly known: true; readonly value: T }
  | { readonly known: false; readonly why: string; readonly hint: string };

export function known<T>(value: T): Known<T> {
  return { known: true, value };
}

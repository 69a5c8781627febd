// Text from outside, made safe to print: no control characters, no invisible ones, not too long.

const maxPrinted = 80;

/** In double quotes, what a terminal would not show or would obey written as \u escapes, cut after 80 characters. */
export function quoted(text: string): string {
  return `"${printable(text).replaceAll('"', '\\"')}"`;
}

/** As `quoted`, without the quotes. */
export function printable(text: string): string {
  const characters = [...text];
  const shown = characters.slice(0, maxPrinted).map(printableCharacter).join('');
  return characters.length > maxPrinted ? `${shown}…` : shown;
}

function printableCharacter(character: string): string {
  if (character === '\n') return '\\n';
  if (character === '\r') return '\\r';
  if (character === '\t') return '\\t';
  // Controls, formats (zero width, bidi), lone surrogates, private use, and the separators that are no plain space.
  if (!/[\p{C}\p{Zl}\p{Zp}]/u.test(character)) return character;
  const code = character.codePointAt(0) ?? 0;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

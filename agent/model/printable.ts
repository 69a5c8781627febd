// Foreign text on its way to a terminal: what would move the cursor or recolour the screen is made visible.

/** Make control characters visible, line ends and tabs excepted. */
export function printable(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** The same for a cell of a table or a word in a sentence: no line end of it may look like a line of ours. */
export function printableLine(text: string): string {
  return printable(text.replace(/[\n\t]+/g, ' '));
}

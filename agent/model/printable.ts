// Foreign text on its way to a terminal: what would move the cursor or recolour the screen is made visible.

/** Make control characters visible, line ends and tabs excepted. */
export function printable(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

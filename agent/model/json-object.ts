// Reading our own small JSON files back: torn or foreign text is nothing, never an exception.

/** The object in the text, its fields yet to be checked; null when it holds none. */
export function parseJsonObject<T extends object>(text: string): Partial<Record<keyof T, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Partial<Record<keyof T, unknown>>) : null;
  } catch {
    return null;
  }
}

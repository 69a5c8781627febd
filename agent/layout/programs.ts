// Where a program is, where no unit says it.

import { type AbsolutePath, binaryDirectories, under } from '../model/paths.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';

/** The first place that has the program. */
export async function findProgram(files: ReadOnlyFiles, name: string): Promise<AbsolutePath | null> {
  const paths = binaryDirectories.map((directory) => under(directory, name));
  const found = await Promise.all(paths.map((path) => files.exists(path)));
  return paths.find((_, i) => found[i] === true) ?? null;
}

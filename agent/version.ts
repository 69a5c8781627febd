// Which agent this is; the build puts the numbers in, from source it is package.json's with a mark.

declare const DIYC_VERSION: string | undefined;
declare const DIYC_COMMIT: string | undefined;

/** `0.1.0 (abc1234)`; `0.1.0-source` when run from source. */
export const version: string =
  typeof DIYC_VERSION === 'undefined'
    ? '0.1.0-source'
    : typeof DIYC_COMMIT === 'undefined'
      ? DIYC_VERSION
      : `${DIYC_VERSION} (${DIYC_COMMIT})`;

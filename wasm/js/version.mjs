// @ts-check

/** The version of this package; the build puts it here. */
export const version = '0.0.0-source';

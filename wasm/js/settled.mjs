// @ts-check

// Vite 6 and 7 move modules to a cache while they develop, and leave the files beside them where they were.
const MOVED = /\/node_modules\/\.(?:cache\/)?vite\/(?:.*\/)?deps(?:_\w+)?\//;

/** The URL of a file beside the modules of the package. @param {string} url */
export const settled = (url) => url.replace(MOVED, '/node_modules/twindex/dist/');

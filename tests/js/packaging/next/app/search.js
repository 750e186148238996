'use client';

import { useEffect } from 'react';

import { stores } from './stores.js';

export function Search({ onServer }) {
  useEffect(() => {
    globalThis.outcome ??= stores('page').then((inBrowser) => ({ onServer, inBrowser }));
  }, [onServer]);
  return <p>Searching</p>;
}

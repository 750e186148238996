import { getDocument, GlobalWorkerOptions } from 'pdfjs-dist';
import workerUrl from 'pdfjs-dist/build/pdf.worker.min.mjs?url';
import type { Metadata } from 'twindex/worker';
import { Refused } from '../problems.ts';

GlobalWorkerOptions.workerSrc = workerUrl;

/** Character sets that a PDF names and does not bring, Chinese, Japanese and Korean ones. The build puts them beside the page. */
const cMapUrl = new URL(import.meta.env.DEV ? 'node_modules/pdfjs-dist/cmaps/' : 'cmaps/', document.baseURI).href;

/** The text of each page, by PDF.js in its own worker. Scripts and links in the file do nothing. */
export async function pagesOf(file: File, path: string): Promise<{ text: string; metadata: Metadata }[]> {
  const task = getDocument({ data: new Uint8Array(await file.arrayBuffer()), isEvalSupported: false, cMapUrl, disableFontFace: true, useSystemFonts: false });
  try {
    const pdf = await task.promise;
    const pages = [];
    for (let number = 1; number <= pdf.numPages; number++) {
      const page = await pdf.getPage(number);
      const { items } = await page.getTextContent();
      const text = items.map((item) => ('str' in item ? item.str + (item.hasEOL ? '\n' : '') : '')).join('');
      // A word that was divided at the end of a line is one word.
      pages.push({ text: text.replaceAll(/(\p{Ll})-\n(\p{Ll})/gu, '$1$2').replaceAll(/([^\n])\n(?!\n)/g, '$1 '), metadata: { page: number } });
      page.cleanup();
    }
    return pages;
  } catch (error) {
    const name = error instanceof Error ? error.name : '';
    if (name === 'PasswordException') throw new Refused(`${path} is protected by a password.`);
    throw new Refused(`${path} cannot be read as a PDF: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await task.destroy();
  }
}

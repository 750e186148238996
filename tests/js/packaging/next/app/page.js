import { Search } from './search.js';
import { stores } from './stores.js';

export const dynamic = 'force-dynamic';

export default async function Page() {
  return <Search onServer={await stores('component')} />;
}

import { stores } from '../../stores.js';

export const dynamic = 'force-dynamic';

export async function GET() {
  return Response.json(await stores('route'));
}

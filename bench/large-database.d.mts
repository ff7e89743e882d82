import type { Client } from 'pg';

export function fillLargeDatabase(client: Client, rows: number): Promise<void>;

import type { INestApplicationContext } from '@nestjs/common';
import { renewTable } from '../national-ids/rotation.js';
import { UserNationalIdsService } from '../users/user-national-ids.service.js';
import { RegistrationKeysService } from '../vaccination/registrations/registration-keys.service.js';

/** The result of a rotation: the number of rows that were renewed with the current keys, and of rows whose key is not configured. */
export interface RotationResult {
  renewed: number;
  failed: number;
}

/** Makes all national ids of users and registrations again with the current keys. `onProgress` gets the rows so far. */
export async function rotateNationalIds(
  app: INestApplicationContext,
  onProgress: (renewed: number) => void = () => undefined,
): Promise<RotationResult> {
  const result = { renewed: 0, failed: 0 };
  for (const service of [UserNationalIdsService, RegistrationKeysService]) {
    const before = result.renewed;
    const table = app.get(service, { strict: false });
    const { renewed, failed } = await renewTable(table, (count) => onProgress(before + count));
    result.renewed += renewed;
    result.failed += failed;
  }
  return result;
}

import type { INestApplicationContext } from '@nestjs/common';
import { renewTable } from '../national-ids/rotation.js';
import { UserNationalIdsService } from '../users/user-national-ids.service.js';
import { RegistrationKeysService } from '../vaccination/registrations/registration-keys.service.js';

/** What a rotation did: rows that have values of the current keys now, and rows whose key is not configured. */
export interface RotationResult {
  renewed: number;
  failed: number;
}

/** Makes all national ids of users and registrations again with the current keys. */
export async function rotateNationalIds(app: INestApplicationContext): Promise<RotationResult> {
  const result = { renewed: 0, failed: 0 };
  for (const service of [UserNationalIdsService, RegistrationKeysService]) {
    const { renewed, failed } = await renewTable(app.get(service, { strict: false }));
    result.renewed += renewed;
    result.failed += failed;
  }
  return result;
}

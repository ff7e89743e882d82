import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { NIL } from 'uuid';
import { NationalIdsService } from '../../national-ids/national-ids.service.js';
import type { NationalIdTable, RenewedBatch } from '../../national-ids/rotation.js';
import { readNationalId } from './national-id.js';
import { registrationRow } from './registration-ids.service.js';
import { Registration } from './registration.entity.js';

/** Rows after an id ($1) whose number ($2) or hash ($3) has another prefix than that of the current key. */
const FORMER = `(substring(id_number from 1 for 4) <> $2 or substring(id_hash from 1 for 4) <> $3) and id > $1`;
const LOCK_FORMER = `select id, id_type, id_number from vaccination_registrations where ${FORMER} order by id limit $4
  for no key update skip locked`;

type Row = Pick<Registration, 'id' | 'id_type' | 'id_number'>;

/** Encrypts and hashes the id numbers of registrations again after a change of keys. */
@Injectable()
export class RegistrationKeysService implements NationalIdTable {
  readonly name = 'vaccination_registrations';

  constructor(
    @InjectRepository(Registration) private readonly registrations: Repository<Registration>,
    private readonly nationalIds: NationalIdsService,
  ) {}

  renewBatch(after: string, size: number): Promise<RenewedBatch> {
    return this.registrations.manager.transaction(async (manager) => {
      const rows = await manager.query<Row[]>(LOCK_FORMER, [after, ...this.currentKeys(), size]);
      let failed = 0;
      for (const row of rows) {
        const columns = this.renew(row);
        if (columns) await manager.update(Registration, row.id, columns);
        else failed++;
      }
      return { renewed: rows.length - failed, failed, last: rows.at(-1)?.id ?? null };
    });
  }

  async countFormer(): Promise<number> {
    const sql = `select count(*)::int as count from vaccination_registrations where ${FORMER}`;
    const [row] = await this.registrations.query<{ count: number }[]>(sql, [NIL, ...this.currentKeys()]);
    return row!.count;
  }

  private currentKeys(): Buffer[] {
    return [this.nationalIds.encryptionKeyId, this.nationalIds.indexKeyId];
  }

  private renew({ id, id_type, id_number }: Row): Pick<Registration, 'id_number' | 'id_hash'> | undefined {
    const row = registrationRow(id);
    const renewed = this.nationalIds.renew(row, id_number);
    if (!renewed) return undefined;
    // The stored number was valid when it was stored, so it is read without the date of birth.
    const read = readNationalId(id_type, this.nationalIds.decrypt(row, renewed), null);
    if (typeof read === 'string') return undefined;
    return { id_number: renewed, id_hash: this.nationalIds.hash(id_type, read.identity) };
  }
}

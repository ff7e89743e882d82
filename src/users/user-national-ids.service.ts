import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { IsNull, Not, Repository } from 'typeorm';
import { NIL } from 'uuid';
import { NationalIdsService } from '../national-ids/national-ids.service.js';
import type { NationalIdTable, RenewedBatch } from '../national-ids/rotation.js';
import { User } from './user.entity.js';

const BATCH_SIZE = 500;

/** The name of a row that a national id is bound to. */
export const nationalIdRow = (userId: string): string => `users ${userId}`;

/** Rows after an id ($1) whose encrypted value has another prefix than the current key's ($2). */
const FORMER = `encrypted_nid is not null and substring(encrypted_nid from 1 for 4) <> $2 and id > $1`;
const LOCK_FORMER = `select id, encrypted_nid from users where ${FORMER} order by id limit $3
  for no key update skip locked`;

/** Encrypts the national ids that 0.1.0 stored in clear, and renews those of former keys. */
@Injectable()
export class UserNationalIdsService implements OnModuleInit, NationalIdTable {
  readonly name = 'users';
  private readonly log = new Logger(UserNationalIdsService.name);

  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
    private readonly nationalIds: NationalIdsService,
  ) {}

  /** Before the server listens: from then on, no national id is in clear. */
  async onModuleInit(): Promise<void> {
    const count = await this.encryptClear();
    if (count > 0) this.log.log(`Encrypted the national ids of ${count} users`);
  }

  /** Encrypts the ids in clear, batch by batch. Several processes may do it at once. Returns how many this one encrypted. */
  async encryptClear(): Promise<number> {
    let count = 0;
    for (;;) {
      const rows = await this.users.find({ select: { id: true, nid: true }, where: CLEAR, take: BATCH_SIZE });
      if (rows.length === 0) return count;
      for (const { id, nid } of rows) {
        const encrypted_nid = this.nationalIds.encrypt(nationalIdRow(id), nid!);
        const { affected } = await this.users.update({ id, nid: nid! }, { nid: null, encrypted_nid });
        count += affected ?? 0;
      }
    }
  }

  renewBatch(after: string, size: number): Promise<RenewedBatch> {
    return this.users.manager.transaction(async (manager) => {
      const key = this.nationalIds.encryptionKeyId;
      type Row = { id: string; encrypted_nid: Buffer };
      const rows = await manager.query<Row[]>(LOCK_FORMER, [after, key, size]);
      let failed = 0;
      for (const { id, encrypted_nid } of rows) {
        const renewed = this.nationalIds.renew(nationalIdRow(id), encrypted_nid);
        if (renewed) await manager.update(User, id, { encrypted_nid: renewed });
        else failed++;
      }
      return { renewed: rows.length - failed, failed, last: rows.at(-1)?.id ?? null };
    });
  }

  async countFormer(): Promise<number> {
    const sql = `select count(*)::int as count from users where ${FORMER}`;
    const [row] = await this.users.query<{ count: number }[]>(sql, [NIL, this.nationalIds.encryptionKeyId]);
    return row!.count;
  }
}

const CLEAR = { nid: Not(IsNull()) };

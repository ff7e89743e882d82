import { Injectable } from '@nestjs/common';
import { type EntityManager, In } from 'typeorm';
import { Centre } from '../centres/centre.entity.js';
import { Vaccine } from '../vaccines/vaccine.entity.js';
import type { TableRow } from './csv-table.js';
import { distinct } from './read-item.js';

/** What rows refer to, by codes in lower case. */
export interface References {
  centres: Map<string, Centre>;
  vaccines: Map<string, Vaccine>;
}

const byCode = <T extends { code: string }>(rows: T[]): Map<string, T> =>
  new Map(rows.map((row) => [row.code.toLowerCase(), row]));

/** Reads the centres and vaccines that rows name in their columns `centre` and `vaccine`. */
@Injectable()
export class ReferencesService {
  async load(manager: EntityManager, rows: TableRow[]): Promise<References> {
    const [centres, vaccines] = [distinct(rows, 'centre'), distinct(rows, 'vaccine')];
    return {
      centres: byCode(centres.length === 0 ? [] : await manager.findBy(Centre, { code: In(centres) })),
      vaccines: byCode(vaccines.length === 0 ? [] : await manager.findBy(Vaccine, { code: In(vaccines) })),
    };
  }
}

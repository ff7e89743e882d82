import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import type { EntityManager } from 'typeorm';
import { validationFailed } from '../../http/problems/problem.js';
import { Centre } from '../centres/centre.entity.js';
import { CentreStaffMember } from '../centres/centre-staff-member.entity.js';
import { Lot } from '../lots/lot.entity.js';
import { toCsv } from '../reports/csv.js';
import { VaccinationSession } from '../sessions/vaccination-session.entity.js';
import { MAX_ROWS } from './csv-table.js';
import type { ExportQueryDto } from './imports.dto.js';

/** Writes tables in CSV that the imports read back. */
@Injectable()
export class TableExportsService {
  constructor(@InjectEntityManager() private readonly manager: EntityManager) {}

  /** Throws `validation_failed` for too many rows, as the others do. */
  async exportCentres({ centre, district }: ExportQueryDto, columns: string[]): Promise<string> {
    const rows = await this.manager.find(Centre, {
      where: { ...(centre && { id: centre }), ...(district && { district }) },
      order: { code: 'ASC' },
      take: MAX_ROWS + 1,
    });
    return toTable(columns, rows);
  }

  async exportStaff(query: ExportQueryDto, columns: string[]): Promise<string> {
    const rows = await this.manager.find(CentreStaffMember, {
      where: centreOf(query),
      relations: { centre: true, user: true },
      order: { centre: { code: 'ASC' }, user: { username: 'ASC' } },
      take: MAX_ROWS + 1,
    });
    return toTable(
      columns,
      rows.map(({ centre, user, role }) => ({ centre: centre.code, username: user.username, role })),
    );
  }

  async exportLots(query: ExportQueryDto, columns: string[]): Promise<string> {
    const rows = await this.manager.find(Lot, {
      where: centreOf(query),
      relations: { centre: true, vaccine: true },
      order: { centre: { code: 'ASC' }, id: 'ASC' },
      take: MAX_ROWS + 1,
    });
    return toTable(
      columns,
      rows.map(({ centre, vaccine, ...lot }) => ({ ...lot, centre: centre.code, vaccine: vaccine.code })),
    );
  }

  /** Drafts and open sessions. */
  async exportSessions(query: ExportQueryDto, columns: string[]): Promise<string> {
    const where = centreOf(query);
    const rows = await this.manager.find(VaccinationSession, {
      where: [
        { ...where, status: 'draft' },
        { ...where, status: 'open' },
      ],
      relations: { centre: true, vaccine: true },
      order: { centre: { code: 'ASC' }, starts_at: 'ASC', id: 'ASC' },
      take: MAX_ROWS + 1,
    });
    return toTable(
      columns,
      rows.map(({ centre, vaccine, ...session }) => ({ ...session, centre: centre.code, vaccine: vaccine.code })),
    );
  }
}

const centreOf = ({ centre, district }: ExportQueryDto) => ({
  ...(centre && { centre_id: centre }),
  ...(district && { centre: { district } }),
});

function toTable(columns: string[], rows: object[]): string {
  if (rows.length <= MAX_ROWS) return toCsv(columns, rows);
  const message = `the table has more than ${MAX_ROWS} rows: choose a district or a centre`;
  throw validationFailed([{ path: 'district', message }]);
}

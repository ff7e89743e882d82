import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { changedValues } from '../../common/changes.js';
import { Clock } from '../../common/clock.provider.js';
import { SqlValues } from '../../database/statements/sql-values.js';
import { type Page, toPage } from '../../http/pagination.dto.js';
import { Problem } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { readTimeCursor, timeKey } from '../cursors.js';
import { ProjectSearchService } from '../projects/project-search.service.js';
import { type Reader, readerOf } from '../visibility/reader.js';
import { visibleProject } from '../visibility/visibility.js';
import { AnnouncementRead } from './announcement-read.entity.js';
import { Announcement, type AnnouncementKind } from './announcement.entity.js';
import {
  type AnnouncementDto,
  type AnnouncementsQueryDto,
  type CreateAnnouncementDto,
  type ListedAnnouncement,
  toAnnouncementDto,
  type UpdateAnnouncementDto,
} from './announcements.dto.js';

const COLUMNS = `a.id, a.kind, a.project_id, a.author_id, a.title, a.body, a.published_at, a.version, a.created_at,
  a.updated_at`;
const FROM = 'from announcements a left join projects p on p.id = a.project_id';

/** Announcements and blog posts, with read marks. Callers with `manage_projects` write them. */
@Injectable()
export class AnnouncementsService {
  constructor(
    @InjectRepository(Announcement) private readonly announcements: Repository<Announcement>,
    @InjectRepository(AnnouncementRead) private readonly reads: Repository<AnnouncementRead>,
    private readonly projects: ProjectSearchService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** The announcements that the reader sees, newest first. Throws `invalid_cursor`. */
  async list(reader: Reader, query: AnnouncementsQueryDto): Promise<Page<AnnouncementDto>> {
    const after = readTimeCursor(query.cursor);
    const values = new SqlValues();
    const conditions = [this.visible(reader, values)];
    if (query.kind !== undefined) conditions.push(`a.kind = ${values.add(query.kind)}`);
    if (query.project_id !== undefined) conditions.push(`a.project_id = ${values.add(query.project_id)}::uuid`);
    if (query.is_read !== undefined)
      conditions.push(`${isReadBy(reader, values)} = ${values.add(query.is_read)}::boolean`);
    if (after)
      conditions.push(`(a.published_at, a.id) < (${values.add(after[0])}::timestamptz, ${values.add(after[1])}::uuid)`);
    const rows = await this.select(reader, conditions, query.limit + 1, values);
    return toPage(rows, query.limit, (row) => timeKey(row.published_at, row.id), toAnnouncementDto);
  }

  /** Those that are published and that the reader sees, newest first, for feeds. */
  listPublished(reader: Reader, kind: AnnouncementKind | undefined, limit: number): Promise<ListedAnnouncement[]> {
    const values = new SqlValues();
    const conditions = [this.visible(reader, values), `a.published_at <= ${values.add(this.clock.date())}`];
    if (kind !== undefined) conditions.push(`a.kind = ${values.add(kind)}`);
    return this.select(reader, conditions, limit, values);
  }

  /** An announcement that the reader sees. Throws `announcement_not_found`. */
  async get(reader: Reader, id: string): Promise<AnnouncementDto> {
    const values = new SqlValues();
    const [row] = await this.announcements.query<ListedAnnouncement[]>(
      `select ${COLUMNS}, ${isReadBy(reader, values)} as is_read ${FROM}
        where a.id = ${values.add(id)}::uuid and ${this.visible(reader, values)}`,
      values.all,
    );
    if (!row) throw new Problem('announcement_not_found');
    return toAnnouncementDto(row);
  }

  /** How many published announcements the caller sees and has not read. */
  async countUnread(caller: Caller): Promise<number> {
    const [reader, values] = [readerOf(caller), new SqlValues()];
    const [row] = await this.announcements.query<{ count: number }[]>(
      `select count(*)::int as count ${FROM} where not ${isReadBy(reader, values)}
        and a.published_at <= ${values.add(this.clock.date())} and ${this.visible(reader, values)}`,
      values.all,
    );
    return row!.count;
  }

  /** Creates an announcement. Returns its id. Throws `project_not_found`. */
  async create(caller: Caller, { project_id = null, published_at, ...dto }: CreateAnnouncementDto): Promise<string> {
    if (project_id !== null) await this.projects.get(readerOf(caller), project_id);
    const [id, now] = [uuidv7(), this.clock.date()];
    await this.announcements.manager.transaction(async (manager) => {
      await manager.insert(Announcement, {
        ...dto,
        id,
        project_id,
        author_id: caller.id,
        published_at: published_at ?? now,
        created_at: now,
        updated_at: now,
      });
      await this.record(manager, caller, 'announcement.created', id, { kind: dto.kind, title: dto.title, project_id });
    });
    return id;
  }

  /** Changes an announcement. Throws `announcement_not_found`, `version_conflict`. */
  async update(
    caller: Caller,
    id: string,
    expected: number,
    dto: Omit<UpdateAnnouncementDto, 'version'>,
  ): Promise<void> {
    await this.get(readerOf(caller), id);
    await this.announcements.manager.transaction(async (manager) => {
      const row = await lock(manager, id, expected);
      const changes = changedValues(row, dto);
      if (Object.keys(changes).length === 0) return;
      const version = expected + 1;
      await manager.update(Announcement, id, { ...changes, version, updated_at: this.clock.date() });
      await this.record(manager, caller, 'announcement.changed', id, { version, fields: Object.keys(changes) });
    });
  }

  /** Deletes an announcement. Throws `announcement_not_found`, `version_conflict`. */
  async remove(caller: Caller, id: string, expected: number): Promise<void> {
    await this.get(readerOf(caller), id);
    await this.announcements.manager.transaction(async (manager) => {
      const { title } = await lock(manager, id, expected);
      await manager.delete(Announcement, id);
      await this.record(manager, caller, 'announcement.deleted', id, { title });
    });
  }

  /** Marks an announcement as read, or as unread. Throws `announcement_not_found`. */
  async setRead(caller: Caller, announcement_id: string, isRead: boolean): Promise<void> {
    const user_id = caller.id;
    if (!isRead) {
      await this.reads.delete({ user_id, announcement_id });
      return;
    }
    const [reader, values] = [readerOf(caller), new SqlValues()];
    const [user, now] = [values.add(user_id), values.add(this.clock.date())];
    const rows = await this.announcements.query<{ id: string }[]>(
      `with found as (select a.id ${FROM} where a.id = ${values.add(announcement_id)}::uuid
          and ${this.visible(reader, values)}),
        marked as (insert into announcement_reads (user_id, announcement_id, read_at)
          select ${user}::uuid, id, ${now}::timestamptz from found on conflict do nothing)
      select id from found`,
      values.all,
    );
    if (rows.length === 0) throw new Problem('announcement_not_found');
  }

  /** Marks all announcements that the caller sees as read. */
  async setAllRead(caller: Caller): Promise<void> {
    const [reader, values] = [readerOf(caller), new SqlValues()];
    const [user, now] = [values.add(caller.id), values.add(this.clock.date())];
    await this.announcements.query(
      `insert into announcement_reads (user_id, announcement_id, read_at)
        select ${user}::uuid, a.id, ${now}::timestamptz ${FROM}
        where a.published_at <= ${now}::timestamptz and ${this.visible(reader, values)} on conflict do nothing`,
      values.all,
    );
  }

  private select(
    reader: Reader,
    conditions: string[],
    limit: number,
    values: SqlValues,
  ): Promise<ListedAnnouncement[]> {
    return this.announcements.query<ListedAnnouncement[]>(
      `select ${COLUMNS}, ${isReadBy(reader, values)} as is_read ${FROM} where ${conditions.join(' and ')}
        order by a.published_at desc, a.id desc limit ${values.add(limit)}`,
      values.all,
    );
  }

  /** Published, and of the site or of a project that the reader sees. `manage_projects` sees those to come as well. */
  private visible(reader: Reader, values: SqlValues): string {
    const isPublished = reader.managesProjects ? 'true' : `a.published_at <= ${values.add(this.clock.date())}`;
    return `(${isPublished} and (a.project_id is null or ${visibleProject(reader, values)}))`;
  }

  private record(
    manager: EntityManager,
    caller: Caller,
    action: 'announcement.created' | 'announcement.changed' | 'announcement.deleted',
    subject_id: string,
    details: Record<string, unknown>,
  ): Promise<void> {
    return this.audit.write(manager, { action, ...actorOf(caller), subject_id, details });
  }
}

const isReadBy = ({ id }: Reader, values: SqlValues): string =>
  id === null
    ? 'false'
    : `exists (select from announcement_reads r where r.user_id = ${values.add(id)}::uuid and r.announcement_id = a.id)`;

/** Locks an announcement for a change of this version. Throws `announcement_not_found`, `version_conflict`. */
async function lock(manager: EntityManager, id: string, expected: number): Promise<Announcement> {
  const row = await manager.findOne(Announcement, { where: { id }, lock: { mode: 'pessimistic_write' } });
  if (!row) throw new Problem('announcement_not_found');
  if (row.version !== expected) throw new Problem('version_conflict');
  return row;
}

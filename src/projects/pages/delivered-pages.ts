import type { Pool } from 'pg';
import { BatchedQuery } from '../../database/statements/batched-query.js';
import type { ChapterVisibility } from '../visibility/visibility.js';
import type { Page } from './page.entity.js';

/** What decides about the image of a page, and what is sent. */
export type DeliveredPage = Pick<Page, 'id' | 'chapter_id' | 'format' | 'sizes'> &
  ChapterVisibility & { project_is_hidden: boolean };

const READ_DELIVERED_PAGES = {
  name: 'read_delivered_pages',
  text: `select a.id, a.chapter_id, a.format, a.sizes,
      c.state, c.is_hidden, c.uploader_id, c.release_at, p.is_hidden as project_is_hidden
    from pages a join chapters c on c.id = a.chapter_id join projects p on p.id = c.project_id
    where a.id = any ($1::uuid[])`,
};

/** Finds pages whose images are asked for. Readers ask for many at once. */
export const queryDeliveredPages = (pool: Pool): BatchedQuery<DeliveredPage> =>
  new BatchedQuery<DeliveredPage>(pool, READ_DELIVERED_PAGES, ({ id }) => id);

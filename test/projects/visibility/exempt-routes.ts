const OWN_UPLOADS = 'Uploads are found by their user only: uploads.spec.ts.';
const SEES_ALL_PROJECTS = 'Its callers have manage_projects, which sees every project.';
const SEES_ALL_CHAPTERS = 'Its callers have view_hidden, which sees every chapter: moderation.spec.ts.';
const NO_PROJECTS = 'It names no project and no chapter.';

/** The routes of the module that are not walked, each with the reason. */
export const EXEMPT_ROUTES: Record<string, string> = {
  'POST /api/projects': SEES_ALL_PROJECTS,
  'PATCH /api/projects/:id_or_slug': SEES_ALL_PROJECTS,
  'DELETE /api/projects/:id_or_slug': SEES_ALL_PROJECTS,
  'GET /api/projects/:id_or_slug/revisions': SEES_ALL_PROJECTS,
  'PUT /api/projects/:id_or_slug/cover': SEES_ALL_PROJECTS,
  'DELETE /api/projects/:id_or_slug/cover': SEES_ALL_PROJECTS,
  'POST /api/announcements': SEES_ALL_PROJECTS,
  'PATCH /api/announcements/:id': SEES_ALL_PROJECTS,
  'DELETE /api/announcements/:id': SEES_ALL_PROJECTS,
  'POST /api/moderation/chapters/:id/approve': SEES_ALL_CHAPTERS,
  'POST /api/moderation/chapters/:id/reject': SEES_ALL_CHAPTERS,
  'GET /api/uploads/current': OWN_UPLOADS,
  'GET /api/uploads/:id': OWN_UPLOADS,
  'POST /api/uploads/:id/files': OWN_UPLOADS,
  'PUT /api/uploads/:id/archive': OWN_UPLOADS,
  'DELETE /api/uploads/:id/files/:file_id': OWN_UPLOADS,
  'PUT /api/uploads/:id/order': OWN_UPLOADS,
  'POST /api/uploads/:id/commit': OWN_UPLOADS,
  'GET /api/release-groups': NO_PROJECTS,
  'POST /api/release-groups': NO_PROJECTS,
  'GET /api/release-groups/:id': NO_PROJECTS,
  'PATCH /api/release-groups/:id': NO_PROJECTS,
  'GET /api/me/feed-tokens': NO_PROJECTS,
  'POST /api/me/feed-tokens': NO_PROJECTS,
  'DELETE /api/me/feed-tokens/:id': NO_PROJECTS,
  'GET /api/opds': NO_PROJECTS,
  'GET /api/opds/v2': NO_PROJECTS,
  'GET /api/opds/search.xml': NO_PROJECTS,
  'DELETE /api/announcements/:id/read': 'It answers 204 for every id.',
};

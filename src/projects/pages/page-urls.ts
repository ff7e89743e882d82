import { imageUrls } from '../../stored-images/image-urls.js';
import type { Page } from './page.entity.js';
import type { PageDto } from './pages.dto.js';

/** A page with the addresses of its images. `token` is that of `PageTokensService`, for pages that not everyone sees. */
export const toPageDto = (
  { id, width, height, format }: Pick<Page, 'id' | 'width' | 'height' | 'format'>,
  token: string | undefined,
): PageDto => ({ id, width, height, format, images: imageUrls(`/api/pages/${id}/image`, token) });

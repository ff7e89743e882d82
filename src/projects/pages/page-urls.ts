import { publicPath } from '../../http/request-context.js';
import { PAGE_VARIANTS, type PageVariant } from '../../images/image-jobs.js';
import type { Page } from './page.entity.js';
import type { PageDto, PageImagesDto } from './pages.dto.js';

/** The addresses of images below a path, by variant. */
export function imageUrls(path: string, token?: string): PageImagesDto {
  const base = publicPath(path);
  const suffix = token === undefined ? '' : `&token=${token}`;
  const urls = PAGE_VARIANTS.map((variant) => [variant, `${base}?variant=${variant}${suffix}`]);
  return Object.fromEntries(urls) as Record<PageVariant, string>;
}

/** A page with the addresses of its images. `token` is that of `PageTokensService`, for pages that not everyone sees. */
export const toPageDto = (
  { id, width, height, format }: Pick<Page, 'id' | 'width' | 'height' | 'format'>,
  token: string | undefined,
): PageDto => ({ id, width, height, format, images: imageUrls(`/api/pages/${id}/image`, token) });

import { publicPath } from '../http/log/request-context.js';
import { PAGE_VARIANTS, type PageVariant } from '../images/image-jobs.js';

/** The addresses of images below a path, by variant. `token` is one of `ImageTokens`, for images that not everyone sees. */
export function imageUrls(path: string, token?: string): Record<PageVariant, string> {
  const base = publicPath(path);
  const suffix = token === undefined ? '' : `&token=${token}`;
  const urls = PAGE_VARIANTS.map((variant) => [variant, `${base}?variant=${variant}${suffix}`]);
  return Object.fromEntries(urls) as Record<PageVariant, string>;
}

import type { ListedChapter } from '../chapters/chapters.dto.js';
import { element, type Element, toXml } from '../feeds/xml.js';
import type { Page } from '../pages/page.entity.js';
import type { ContentRating, PersonRole } from '../projects/project.entity.js';
import type { ListedProject } from '../projects/projects.dto.js';

const AGE_RATINGS: Record<ContentRating, string> = {
  everyone: 'Everyone',
  teen: 'Teen',
  mature: 'Mature 17+',
  adult: 'Adults Only 18+',
};

/** The description of a chapter that comic readers find in an archive: ComicInfo.xml 2.0, whose elements have an order. */
export function toComicInfo(chapter: ListedChapter, project: ListedProject, pages: Page[], address: string): string {
  const people = (role: PersonRole): string =>
    project.people
      .filter((person) => person.role === role)
      .map(({ name }) => name.replaceAll(',', ' '))
      .join(', ');
  const date = chapter.published_at;
  const fields: Record<string, string | number | null | undefined> = {
    Title: chapter.title,
    Series: project.title,
    Number: chapter.number,
    Volume: /^\d{1,6}$/.test(chapter.volume ?? '') ? chapter.volume : null,
    Summary: project.description,
    Year: date?.getUTCFullYear(),
    Month: date && date.getUTCMonth() + 1,
    Day: date?.getUTCDate(),
    Writer: people('author'),
    Penciller: people('artist'),
    Letterer: people('letterer'),
    Editor: people('editor'),
    Publisher: people('publisher'),
    Genre: project.tags.join(', '),
    Web: address,
    PageCount: pages.length,
    LanguageISO: chapter.language,
    Manga: project.reading_direction === 'right_to_left' ? 'YesAndRightToLeft' : 'No',
    ScanInformation: chapter.release_groups.map(({ name }) => name).join(', '),
    AgeRating: AGE_RATINGS[project.content_rating],
  };
  const given = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return toXml(
    element(
      'ComicInfo',
      {
        'xmlns:xsi': 'http://www.w3.org/2001/XMLSchema-instance',
        'xmlns:xsd': 'http://www.w3.org/2001/XMLSchema',
      },
      ...given.map(([name, value]) => element(name, {}, String(value))),
      element('Pages', {}, ...pages.map(toPageElement)),
    ),
  );
}

const toPageElement = ({ width, height, sizes }: Page, i: number): Element =>
  element('Page', {
    Image: String(i),
    ImageSize: String(sizes.original),
    ImageWidth: String(width),
    ImageHeight: String(height),
  });

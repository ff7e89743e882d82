import { expect, it } from 'vitest';
import { compareNames } from './natural-order.js';

it.each([
  [
    ['10.png', '2.png', '1.png'],
    ['1.png', '2.png', '10.png'],
  ],
  [
    ['page 10b', 'Page 10', 'page 9'],
    ['page 9', 'Page 10', 'page 10b'],
  ],
  [
    ['b/1.jpg', 'a/10.jpg', 'a/9.jpg', 'cover.jpg'],
    ['a/9.jpg', 'a/10.jpg', 'b/1.jpg', 'cover.jpg'],
  ],
  [
    ['ch10/1.jpg', 'ch2/11.jpg', 'ch2/3.jpg'],
    ['ch2/3.jpg', 'ch2/11.jpg', 'ch10/1.jpg'],
  ],
  [
    ['0002.jpg', '01.jpg', '3.jpg'],
    ['01.jpg', '0002.jpg', '3.jpg'],
  ],
  [
    ['B.jpg', 'a.jpg'],
    ['a.jpg', 'B.jpg'],
  ],
])('the names %j are sorted as %j', (names, sorted) => {
  expect(names.toSorted(compareNames)).toEqual(sorted);
});

it('names that differ have one order, whatever order they arrive in', () => {
  const names = ['1.jpg', '01.jpg', '1.JPG', 'a', 'A', 'á', 'a/b'];
  expect(names.toSorted(compareNames)).toEqual(names.toReversed().toSorted(compareNames));
});

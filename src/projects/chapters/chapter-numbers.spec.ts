import { describe, expect, it } from 'vitest';
import { numberKeyOf, sortKeyOf } from './chapter-numbers.js';

const inOrder = (numbers: (string | null)[]) =>
  numbers.toSorted((a, b) => (sortKeyOf(a) < sortKeyOf(b) ? -1 : sortKeyOf(a) > sortKeyOf(b) ? 1 : 0));

describe('sortKeyOf', () => {
  it('orders numbers part by part, then texts, and chapters without a number last', () => {
    const numbers = [
      '0',
      '0.5',
      '1',
      '2',
      '2.5',
      '3.9',
      '3.10',
      '10',
      '10a',
      '10.1',
      '100',
      '999999999',
      '1234567890',
      '12345678901234567890',
      'Extra 2',
      'Extra 10',
      null,
    ];
    expect(inOrder(numbers.toReversed())).toEqual(numbers);
  });

  it.each([
    ['2', '2.0'],
    ['2', '02'],
    ['2', '2.0.0'],
    ['3.10', '3.010'],
    ['10A', '10a'],
    ['１０', '10'],
    ['٣.٥', '3.5'],
    ['১০', '10'],
    ['0', '0.0'],
  ])('gives %s and %s the same key', (one, other) => {
    expect(sortKeyOf(one)).toBe(sortKeyOf(other));
  });

  it.each([
    ['2.1', '2.10'],
    ['1', '10'],
    ['1.1', '11'],
    ['12', '1.2'],
    ['1234567890', '123456789 0'],
  ])('tells %s from %s', (one, other) => {
    expect(sortKeyOf(one)).not.toBe(sortKeyOf(other));
  });
});

describe('numberKeyOf', () => {
  it('tells chapters without a number apart by their titles, without regard to case', () => {
    expect(numberKeyOf(null, 'Winter')).toBe(numberKeyOf(null, 'winter '));
    expect(numberKeyOf(null, 'Winter')).not.toBe(numberKeyOf(null, 'Summer'));
    expect(numberKeyOf('2', 'Winter')).toBe(numberKeyOf('2.0', 'Summer'));
  });
});

import { Problem } from '../../http/problems/problem.js';
import type { Eligibility, IneligibilityReason } from './eligibility.js';

/** The problem of a person who cannot get a dose. Its code is the first reason. */
export const ineligible = (
  reasons: [IneligibilityReason, ...IneligibilityReason[]],
  { next_dose, earliest_day }: Pick<Eligibility, 'next_dose' | 'earliest_day'>,
): Problem => new Problem(reasons[0], { members: { reasons, next_dose, earliest_day } });

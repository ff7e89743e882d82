import { IsUUID } from 'class-validator';
import { InLowerCase } from '../../http/validation.js';

/** A person who came without a booking. */
export class CreateWalkInDto {
  /**
   * The verified registration of the person, who finds its id with `GET /api/vaccination/registrations/me`.
   * @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5d
   */
  @InLowerCase()
  @IsUUID()
  registration_id: string;
}

import { Controller, Delete, HttpCode } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { ParticipantsService } from '../connections/participants.service.js';
import { UsernameParam } from '../protocol/path-parameters.js';
import { ContactsService } from './contacts.service.js';

/** Contacts over HTTP, for clients of any protocol. */
@ApiTags('chat')
@Controller('chat/contacts')
export class ContactsController {
  constructor(
    private readonly contacts: ContactsService,
    private readonly participants: ParticipantsService,
  ) {}

  /**
   * Removes a contact of the caller, or a contact request between the two. Neither user sees the presence of the other
   * afterwards.
   */
  @Delete(':username')
  @ApiOperation({ operationId: 'removeContact' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('user_not_found', 'contact_not_found')
  async remove(@CurrentUser() { id }: Caller, @UsernameParam() username: string): Promise<void> {
    const other = await this.participants.getNamed(username);
    await this.contacts.remove(await this.participants.getId(id), other.id);
  }
}

import { Injectable } from '@nestjs/common';
import type { ChatEvent } from '../protocol/event.js';
import { RequestFrame } from '../protocol/request.dto.js';
import type { Connection } from '../connections/connection.js';
import { ContactsService } from './contacts.service.js';
import { AddContactFrame, ContactAddedDto, ContactsDto, PersonDto } from './contacts.dto.js';

@Injectable()
export class Self implements ChatEvent {
  static readonly summary = 'Who the caller is.';
  static readonly request = RequestFrame;
  static readonly data = PersonDto;
  static readonly sentTo = 'the requester';

  constructor(private readonly contacts: ContactsService) {}

  handle({ session }: Connection): Promise<PersonDto> {
    return this.contacts.self(session!);
  }
}

@Injectable()
export class AddContact implements ChatEvent<AddContactFrame> {
  static readonly summary = 'Makes two people each other’s contacts.';
  static readonly request = AddContactFrame;
  static readonly data = ContactAddedDto;
  static readonly sentTo = 'the requester';

  constructor(private readonly contacts: ContactsService) {}

  async handle({ session }: Connection, { contact_username }: AddContactFrame): Promise<ContactAddedDto> {
    return { message: 'contact added', contact: await this.contacts.add(session!, contact_username) };
  }
}

@Injectable()
export class GetContacts implements ChatEvent {
  static readonly summary = 'The usernames of the caller’s contacts.';
  static readonly request = RequestFrame;
  static readonly data = ContactsDto;
  static readonly sentTo = 'the requester';

  constructor(private readonly contacts: ContactsService) {}

  async handle({ session }: Connection): Promise<ContactsDto> {
    return { message: 'contacts retrieved', contacts: await this.contacts.list(session!) };
  }
}

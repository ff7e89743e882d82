import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { DataSubject, PersonalDataSource } from './personal-data.js';

/** The personal data of all modules: where it is, how it is exported, and how it is erased. */
@Injectable()
export class PersonalDataRegistryService {
  private readonly sources: PersonalDataSource[] = [];

  /** Adds the data of a module. Call it when the application starts. */
  register(source: PersonalDataSource): void {
    this.sources.push(source);
  }

  /** The sources in the order of their modules' names. */
  list(): PersonalDataSource[] {
    return this.sources.toSorted((a, b) => a.module.localeCompare(b.module));
  }

  /** Runs within the transaction that deletes the user, before the deletion. */
  async erase(manager: EntityManager, subject: DataSubject): Promise<void> {
    for (const source of this.sources) await source.erase?.(manager, subject);
  }
}

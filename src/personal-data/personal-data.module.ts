import { Global, Module } from '@nestjs/common';
import { PersonalDataRegistryService } from './personal-data-registry.service.js';

/** Global: every module with data about users registers it. */
@Global()
@Module({ providers: [PersonalDataRegistryService], exports: [PersonalDataRegistryService] })
export class PersonalDataModule {}

import { Module } from '@nestjs/common';
import { NationalIdsService } from './national-ids.service.js';

/** Encryption of the national ids of users and of people who register for vaccination. */
@Module({ providers: [NationalIdsService], exports: [NationalIdsService] })
export class NationalIdsModule {}

// One round of bench/booking.mjs: books for one person after the other until the time is over, and prints the number
// of answers per second and their latencies.
import { NestFactory } from '@nestjs/core';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import 'reflect-metadata';
import { v7 as uuidv7 } from 'uuid';
import { BOOK } from '../baselines/book.mjs';

const { CONNECTION, KIND, CONCURRENCY, SECONDS } = process.env;
const connection = JSON.parse(CONNECTION);
const WARM_UP_MS = 1_000;

const pool = new pg.Pool({ ...connection, max: Number(CONCURRENCY) });
const people = (await pool.query('select id, user_id from vaccination_registrations order by id')).rows;
const sessions = (await pool.query('select id from vaccination_sessions')).rows.map(({ id }) => id);

async function bookBare(person, session) {
  const values = [uuidv7(), person.id, person.user_id, session, new Date()];
  try {
    return (await pool.query({ ...BOOK, values })).rowCount === 1;
  } catch (error) {
    if (error.constraint === 'vaccination_sessions_booked_check') return false;
    throw error;
  }
}

/** Machi without HTTP: the service that the controller calls. */
async function startMachi() {
  const { AppModule } = await import('../../dist/src/app.module.js');
  const { loadConfig } = await import('../../dist/src/config/load-config.js');
  const { newDataSource } = await import('../../dist/src/database/data-source.js');
  const { BookingsService } = await import('../../dist/src/vaccination/appointments/bookings.service.js');
  const folder = mkdtempSync(join(tmpdir(), 'machi-bench-'));
  const env = { NODE_ENV: 'test', DATA_DIR: folder, SECRET_KEY: randomBytes(32).toString('hex'), RATE_LIMITS: 'off' };
  const dataSource = await newDataSource(connection, { size: 20 }).initialize();
  const app = await NestFactory.createApplicationContext(AppModule.forRoot(loadConfig(env), dataSource), {
    logger: false,
  });
  const service = app.get(BookingsService);
  const book = async (person, session) => {
    try {
      await service.book({ id: person.user_id }, { registration_id: person.id, session_id: session });
      return true;
    } catch (error) {
      if (error.code === 'session_full' || error.code === 'already_booked') return false;
      throw error;
    }
  };
  const stop = async () => {
    await app.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { book, stop };
}

const { book, stop } = await (KIND === 'machi' ? startMachi() : { book: bookBare, stop: () => undefined });
const latencies = [];
let next = 0;
/** The people may be asked again once there are no places. */
let isFull = false;
const start = performance.now() + WARM_UP_MS;
const end = start + Number(SECONDS) * 1000;

async function client() {
  for (;;) {
    const began = performance.now();
    const index = next++;
    if (began >= end || (!isFull && index >= people.length)) return;
    isFull = !(await book(people[index % people.length], sessions[index % sessions.length]));
    const now = performance.now();
    if (began >= start && now <= end) latencies.push(now - began);
  }
}

await Promise.all(Array.from({ length: Number(CONCURRENCY) }, client));
const seconds = (Math.min(performance.now(), end) - start) / 1000;
latencies.sort((a, b) => a - b);
const quantile = (q) => latencies[Math.floor(latencies.length * q)];
const rss = process.memoryUsage.rss() / 2 ** 20;
console.log(JSON.stringify({ rate: latencies.length / seconds, p50: quantile(0.5), p99: quantile(0.99), rss }));
await stop();
await pool.end();
process.exit(0);

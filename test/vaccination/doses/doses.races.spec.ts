import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { v7 as uuidv7 } from 'uuid';
import { Dose } from '../../../src/vaccination/doses/dose.entity.js';
import { startApp, type SignedInUser, type TestApp } from '../../support/app.js';
import { vaccinationDay } from '../../support/vaccination/vaccination-day.js';

let t: TestApp;
let day: Awaited<ReturnType<typeof vaccinationDay>>;
let vaccinator: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  t.clock.set(Date.parse('2027-01-18T04:00:00Z'));
  day = await vaccinationDay(t);
  vaccinator = await day.staff(day.centreId, 'vaccinator');
});
beforeEach(() => t.warmUp());
afterAll(() => t.stop());

const record = (appointment_id: string, lot_id: string) =>
  t.request('POST', '/api/vaccination/doses', {
    token: vaccinator.token,
    body: { appointment_id, lot_id, site: 'LA', route: 'IM' },
  });

const inError = (id: string, return_stock: boolean) =>
  t.request('POST', `/api/vaccination/doses/${id}/entered-in-error`, {
    token: vaccinator.token,
    body: { reason: 'A test of concurrent changes', return_stock },
  });

/** How often each status and code was answered, such as `201` or `409 dose_recorded`. */
function tally(answers: { status: number; body: { code?: string } }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, body } of answers) {
    const name = body.code === undefined ? String(status) : `${status} ${body.code}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** [used, completed records, wrong records whose dose was used] of a lot. */
async function stockOf(lotId: string): Promise<number[]> {
  const [row] = await t.dataSource.query(
    `select l.used, count(*) filter (where d.status = 'completed')::int as completed,
       count(*) filter (where d.status = 'entered_in_error' and not d.is_stock_returned)::int as wasted
     from vaccine_lots l left join vaccination_doses d on d.lot_id = l.id where l.id = $1 group by l.id`,
    [lotId],
  );
  return [row.used, row.completed, row.wasted];
}

describe('concurrent requests', () => {
  it('record one dose for a person when 20 arrive at once', async () => {
    const [appointment] = await day.crowd(1);
    const { id: lot } = await day.lot({ received: 30 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => record(appointment!, lot)));
    expect(tally(answers)).toEqual({ '201': 1, '409 dose_recorded': 19 });
    expect(await stockOf(lot)).toEqual([1, 1, 0]);
  });

  it('give the last dose of a lot to one of 20 persons', async () => {
    const appointments = await day.crowd(20);
    const { id: lot } = await day.lot({ received: 1 });
    const answers = await Promise.all(appointments.map((appointment) => record(appointment, lot)));
    expect(tally(answers)).toEqual({ '201': 1, '409 lot_out_of_stock': 19 });
    expect(await stockOf(lot)).toEqual([1, 1, 0]);
    const [row] = await t.dataSource.query(
      `select count(*)::int from vaccination_appointments where id = any ($1) and status = 'fulfilled'`,
      [appointments],
    );
    expect(row.count).toBe(1);
  });

  it('mark a record as wrong once, and return its stock once', async () => {
    const [appointment] = await day.crowd(1);
    const { id: lot } = await day.lot();
    const { body: dose } = await record(appointment!, lot);
    const answers = await Promise.all(Array.from({ length: 20 }, () => inError(dose.id, true)));
    expect(tally(answers)).toEqual({ '200': 1, '409 dose_in_error': 19 });
    expect(await stockOf(lot)).toEqual([0, 0, 0]);
  });

  it('keep the stock equal to the records while doses are recorded and marked as wrong, without deadlocks', async () => {
    const appointments = await day.crowd(4);
    const lots = [(await day.lot({ received: 1000 })).id, (await day.lot({ received: 1000 })).id];
    const recorded: string[] = [];
    const worker = async (index: number): Promise<number[]> => {
      const statuses: number[] = [];
      for (let i = 0; i < 60; i++) {
        const answer = await record(appointments[(index + i) % 4]!, lots[i % 2]!);
        if (answer.status === 201) recorded.push(answer.body.id);
        const wrong = await inError(recorded[(index * 7 + i) % Math.max(1, recorded.length)] ?? uuidv7(), i % 2 === 0);
        statuses.push(answer.status, wrong.status);
      }
      return statuses;
    };
    const statuses = (await Promise.all(Array.from({ length: 12 }, (_, index) => worker(index)))).flat();
    expect([...new Set(statuses)].filter((status) => ![200, 201, 404, 409].includes(status))).toEqual([]);
    expect(recorded.length).toBeGreaterThan(4);
    for (const lot of lots) {
      const [used, completed, wasted] = await stockOf(lot);
      expect(used).toBe(completed! + wasted!);
    }
  });
});

it('the constraint of the database refuses a second record of a dose as dose_recorded, and the stock stays', async () => {
  const [first] = await day.crowd(1);
  const { id: lot } = await day.lot();
  const { body } = await record(first!, lot);
  const second = await day.visitor({ registrationId: body.registration_id });
  const answer = await record(second.appointmentId, lot);
  expect([answer.status, answer.body.code]).toEqual([409, 'dose_recorded']);
  expect(await stockOf(lot)).toEqual([1, 1, 0]);
  const row = await t.dataSource.manager.findOneByOrFail(Dose, { id: body.id });
  await expect(t.dataSource.manager.insert(Dose, { ...row, id: uuidv7() })).rejects.toThrow('vaccination_doses_');
});

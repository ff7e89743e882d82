import type { NoticeKind } from './notice.entity.js';

/** `session_cancelled`: the centre cancelled the appointment, not the person. */
export type MessageKind = NoticeKind | 'session_cancelled';

/** What a message says. It contains no name, no number of an id, and no other text that a client can choose. */
export interface MessageValues {
  app: string;
  vaccine: string;
  dose: number;
  centre: string;
  address: string;
  timeZone: string;
  /** The start of the session, the recommended day of the next dose, or the time of the recalled dose. */
  at: Date;
  /** By which a guardian tells the appointments of dependants apart: the last characters of the id. */
  reference: string;
  /** Why a session was cancelled or a lot recalled, in the words of the staff. */
  reason: string | null;
}

interface Wording {
  subject: string;
  sentence: string;
}

const ENGLISH: Record<MessageKind, Wording> = {
  booked: { subject: 'Vaccination appointment booked', sentence: 'Your vaccination appointment is booked.' },
  promoted: {
    subject: 'A place has become free for you',
    sentence: 'A place has become free, and your vaccination appointment is booked from the waitlist.',
  },
  moved: { subject: 'Vaccination appointment moved', sentence: 'Your vaccination appointment is moved to a new time.' },
  cancelled: { subject: 'Vaccination appointment cancelled', sentence: 'Your vaccination appointment is cancelled.' },
  session_cancelled: {
    subject: 'Vaccination session cancelled',
    sentence: 'The centre has cancelled the session of your vaccination appointment. Please book another one.',
  },
  reminder: { subject: 'Reminder of your vaccination', sentence: 'Reminder of your vaccination appointment.' },
  next_dose: {
    subject: 'Next vaccination dose due',
    sentence: 'Your next vaccination dose is due. Please book an appointment.',
  },
  lot_recalled: {
    subject: 'Recall of a vaccine lot',
    sentence: 'The lot of a vaccine that you were given is recalled. Please contact the centre.',
  },
};

const BENGALI: Record<MessageKind, Wording> = {
  booked: { subject: 'টিকার অ্যাপয়েন্টমেন্ট নিশ্চিত', sentence: 'আপনার টিকার অ্যাপয়েন্টমেন্ট নিশ্চিত হয়েছে।' },
  promoted: {
    subject: 'আপনার জন্য জায়গা খালি হয়েছে',
    sentence: 'একটি জায়গা খালি হয়েছে; অপেক্ষমাণ তালিকা থেকে আপনার টিকার অ্যাপয়েন্টমেন্ট নিশ্চিত হয়েছে।',
  },
  moved: { subject: 'টিকার অ্যাপয়েন্টমেন্টের সময় পরিবর্তন', sentence: 'আপনার টিকার অ্যাপয়েন্টমেন্টের সময় পরিবর্তন হয়েছে।' },
  cancelled: { subject: 'টিকার অ্যাপয়েন্টমেন্ট বাতিল', sentence: 'আপনার টিকার অ্যাপয়েন্টমেন্ট বাতিল হয়েছে।' },
  session_cancelled: {
    subject: 'টিকাদান সেশন বাতিল',
    sentence: 'কেন্দ্র আপনার টিকাদান সেশন বাতিল করেছে। অনুগ্রহ করে নতুন অ্যাপয়েন্টমেন্ট নিন।',
  },
  reminder: { subject: 'টিকার কথা মনে করিয়ে দেওয়া', sentence: 'আপনার টিকার অ্যাপয়েন্টমেন্টের কথা মনে করিয়ে দিচ্ছি।' },
  next_dose: {
    subject: 'পরবর্তী ডোজের সময় হয়েছে',
    sentence: 'আপনার টিকার পরবর্তী ডোজের সময় হয়েছে। অনুগ্রহ করে অ্যাপয়েন্টমেন্ট নিন।',
  },
  lot_recalled: {
    subject: 'টিকার লট প্রত্যাহার',
    sentence: 'আপনাকে দেওয়া টিকার লটটি প্রত্যাহার করা হয়েছে। অনুগ্রহ করে কেন্দ্রে যোগাযোগ করুন।',
  },
};

const hasTime = (kind: MessageKind): boolean => kind !== 'next_dose';

function when(
  locale: string,
  kind: MessageKind,
  { at, timeZone }: MessageValues,
  dateStyle: 'full' | 'medium',
): string {
  const style = hasTime(kind) ? { dateStyle, timeStyle: 'short' as const } : { dateStyle };
  return new Intl.DateTimeFormat(locale, { timeZone, ...style }).format(at);
}

const inBengaliDigits = (number: number): string => new Intl.NumberFormat('bn-BD').format(number);

function toEnglish(kind: MessageKind, values: MessageValues): string {
  const { vaccine, dose, centre, address, reason, reference } = values;
  return [
    ENGLISH[kind].sentence,
    '',
    `Vaccine: ${vaccine}, dose ${dose}`,
    `${hasTime(kind) ? 'Time' : 'Day'}: ${when('en-GB', kind, values, 'full')}`,
    `Centre: ${centre}, ${address}`,
    ...(reason === null ? [] : [`Reason: ${reason}`]),
    `Reference: ${reference}`,
  ].join('\n');
}

function toBengali(kind: MessageKind, values: MessageValues): string {
  const { vaccine, dose, centre, address, reason, reference } = values;
  return [
    BENGALI[kind].sentence,
    '',
    `টিকা: ${vaccine}, ডোজ ${inBengaliDigits(dose)}`,
    `${hasTime(kind) ? 'সময়' : 'তারিখ'}: ${when('bn-BD', kind, values, 'full')}`,
    `কেন্দ্র: ${centre}, ${address}`,
    ...(reason === null ? [] : [`কারণ: ${reason}`]),
    `সূত্র: ${reference}`,
  ].join('\n');
}

/** The mail of this kind, in Bengali and English. */
export const writeVaccinationMail = (kind: MessageKind, values: MessageValues): { subject: string; text: string } => ({
  subject: `${BENGALI[kind].subject} · ${ENGLISH[kind].subject}`,
  text: `${toBengali(kind, values)}\n\n${toEnglish(kind, values)}\n\n${values.app}\n`,
});

/** The SMS of this kind, in Bengali and English, without the address. */
export function writeVaccinationSms(kind: MessageKind, values: MessageValues): string {
  const { app, vaccine, dose, centre, reference } = values;
  const bengali = `${BENGALI[kind].sentence} ${when('bn-BD', kind, values, 'medium')}`;
  const english = `${ENGLISH[kind].sentence} ${vaccine} ${dose}, ${when('en-GB', kind, values, 'medium')}, ${centre}.`;
  return `${app}: ${bengali}\n${english} Ref. ${reference}`;
}

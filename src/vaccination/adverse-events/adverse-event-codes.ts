/**
 * What can be recorded: the events of the WHO's reporting form for adverse events following immunization (AEFI core
 * variables, 2015), the common reactions, and those that surveillance of recent vaccines looks for.
 */
export const ADVERSE_EVENTS = {
  local_reaction: 'pain, redness or swelling at the injection site',
  severe_local_reaction: 'local reaction beyond the nearest joint or for more than 3 days',
  abscess: 'abscess',
  fever: 'fever of 38 °C or more',
  headache: 'headache',
  fatigue: 'fatigue',
  muscle_pain: 'muscle or joint pain',
  nausea: 'nausea or vomiting',
  rash: 'rash or hives',
  lymphadenopathy: 'swollen lymph nodes',
  fainting: 'fainting',
  anaphylaxis: 'anaphylaxis',
  seizure: 'seizure',
  facial_paralysis: 'facial paralysis',
  encephalopathy: 'encephalopathy',
  myocarditis: 'inflammation of the heart',
  thrombocytopenia: 'thrombocytopenia',
  thrombosis: 'thrombosis',
  sepsis: 'sepsis',
  toxic_shock_syndrome: 'toxic shock syndrome',
  other: 'other',
} as const;
export type AdverseEventCode = keyof typeof ADVERSE_EVENTS;

export const SEVERITIES = ['mild', 'moderate', 'severe'] as const;
export type Severity = (typeof SEVERITIES)[number];

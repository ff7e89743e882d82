import bcrypt from 'bcrypt';

export interface HashTask {
  password: string;
  cost: number;
}
export interface CompareTask {
  password: string;
  hash: string;
}

/** Runs on a thread of its own: returns the hash of a password, or whether it matches the given one. */
export default (task: HashTask | CompareTask): string | boolean =>
  'cost' in task ? bcrypt.hashSync(task.password, task.cost) : bcrypt.compareSync(task.password, task.hash);

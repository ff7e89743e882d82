/**
 * Whether member m of a conversation still wants a push of its message x: may see it, has not read it, has not blocked the sender,
 * and is connected to no node. A node without a lease is the only one.
 */
const IS_WANTED = `x.deleted_at is null and m.participant_id <> x.sender_id
  and m.joined_after_id < x.id and m.read_sequence < x.sequence
  and not exists (select from blocks b where b.participant_id = m.participant_id and b.blocked_id = x.sender_id)
  and not exists (
    select from presences o join chat_nodes n on n.id = o.node_id
    where o.participant_id = m.participant_id and (n.lease_until > clock_timestamp()) is not false
  )`;

/**
 * Turns noted messages into deliveries: in a conversation of two for the other member, in a larger one for those who are mentioned.
 * Of several messages of a conversation, the last one is sent. $1 now, $2 the end of the lifetime, $3 limit.
 * Subscriptions are locked before deliveries and in their order, as they are when a session is deleted.
 */
export const DISTRIBUTE = `with noted as (
    delete from push_messages p using (
      select conversation_id, message_id from push_messages order by conversation_id, message_id limit $3
      for update skip locked
    ) k where (p.conversation_id, p.message_id) = (k.conversation_id, k.message_id)
    returning p.conversation_id, p.message_id, p.mentions
  ), targets as (
    select s.id, k.conversation_id, k.message_id, s.retry_at
    from noted k
    join conversations c on c.id = k.conversation_id
    join messages x on x.conversation_id = k.conversation_id and x.id = k.message_id
    join conversation_members m on m.conversation_id = k.conversation_id
    join participants r on r.id = m.participant_id
    join users u on u.id = r.user_id
    join push_subscriptions s on s.user_id = r.user_id
    where (c.members_count = 2 or lower(u.username::text) = any (k.mentions)) and ${IS_WANTED}
    order by s.id
    for key share of s
  ), added as (
    insert into push_deliveries (subscription_id, conversation_id, message_id, created_at, due_at, expires_at)
    select id, conversation_id, max(message_id), $1, greatest($1, retry_at), $2
    from targets group by id, conversation_id, retry_at
    order by id, conversation_id
    on conflict (subscription_id, conversation_id) do update
    set message_id = excluded.message_id, expires_at = excluded.expires_at
    where excluded.message_id > push_deliveries.message_id
  )
  select count(*)::int as count from noted`;

/** $1 now, $2 the end of the lease, $3 limit. If the process dies, another one claims the delivery after that. */
export const CLAIM = `with due as (
    select subscription_id, conversation_id from push_deliveries where due_at <= $1 and expires_at > $1
    order by due_at limit $3 for update skip locked
  ), claimed as (
    update push_deliveries d set attempts = d.attempts + 1, due_at = $2 from due
    where (d.subscription_id, d.conversation_id) = (due.subscription_id, due.conversation_id)
    returning d.*
  )
  select d.subscription_id, d.conversation_id, d.message_id, d.attempts, d.expires_at,
    s.session_id, s.endpoint, s.p256dh, s.auth, x.content, c.name as title, a.username as sender_username,
    m.participant_id is not null and ${IS_WANTED} as is_wanted
  from claimed d
  join push_subscriptions s on s.id = d.subscription_id
  join conversations c on c.id = d.conversation_id
  join messages x on x.conversation_id = d.conversation_id and x.id = d.message_id
  join participants w on w.id = x.sender_id left join users a on a.id = w.user_id
  left join participants r on r.user_id = s.user_id
  left join conversation_members m on m.conversation_id = d.conversation_id and m.participant_id = r.id`;

export interface ClaimedDelivery {
  subscription_id: string;
  conversation_id: string;
  message_id: string;
  attempts: number;
  expires_at: Date;
  session_id: string;
  endpoint: string;
  p256dh: Buffer;
  auth: Buffer;
  content: string;
  title: string;
  /** Null if the sender has been deleted. */
  sender_username: string | null;
  is_wanted: boolean;
}

/** $1, $2 delivery, $3 attempts. Every claim increments them: an equal number means that nobody has claimed it since. */
const STILL_CLAIMED = 'where subscription_id = $1 and conversation_id = $2 and attempts = $3';

/** $4 the message that was sent. */
export const REMOVE = `delete from push_deliveries ${STILL_CLAIMED} and message_id = $4`;
/** For a delivery whose message was replaced meanwhile. $4 now. */
export const RENEW = `update push_deliveries set attempts = 0, created_at = $4, due_at = $4 ${STILL_CLAIMED}`;
/**
 * All deliveries to a subscription $1, and later ones, wait until $2: its push service has failed, or asks for it. Ends the leases on
 * conversations $3.
 */
export const POSTPONE = `with subscription as (
    update push_subscriptions set retry_at = $2 where id = $1 returning id, retry_at
  )
  update push_deliveries d
  set due_at = case when conversation_id = any ($3::bigint[]) then retry_at else greatest(due_at, retry_at) end
  from subscription s where d.subscription_id = s.id`;

export const REMOVE_EXPIRED = `delete from push_deliveries where (subscription_id, conversation_id) in (
  select subscription_id, conversation_id from push_deliveries where expires_at <= $1 and due_at <= $1
  limit 1000 for update skip locked)`;

export const SELECT_QUEUE = `select count(*)::int as count, min(created_at) as oldest from (
  select created_at from push_deliveries union all select created_at from push_messages) q`;
